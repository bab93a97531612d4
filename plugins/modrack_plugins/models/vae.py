"""Variational autoencoders: an encoder to a small normal distribution, and a decoder back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from annotated_types import Ge, Gt

import modrack

if TYPE_CHECKING:
    from torch import nn

    from modrack import Data


@modrack.model(takes="image", gives="reconstruction")
def vae(
    data: Data,
    *,
    body: Annotated[Literal["conv", "mlp"], "convolutions, or fully connected layers over all pixels"] = "conv",
    latent: Annotated[int, Gt(0), "dimensions of the code"] = 16,
    width: Annotated[int, Gt(0), "channels of the first convolution, each further one has twice as many"] = 32,
    depth: Annotated[int | None, Ge(0), "halvings of the image; none: until at most 7 pixels are left"] = None,
    hidden: Annotated[int, Gt(0), "units of the fully connected layers"] = 256,
) -> dict[str, nn.Module]:
    """An encoder and a decoder, of convolutions or fully connected; for images of any size.

    Two parts. `encoder` gives the means and the logarithms of the variances, (rows, 2 · latent); `decoder` takes
    a code, (rows, latent), and gives the logit of each pixel.
    """
    import math

    from torch import nn

    from modrack_plugins.models.pyramid import down, halvings, up

    channels, height, wide = data.shape or (1, 1, 1)
    ahead: list[nn.Module]
    back: list[nn.Module]
    if body == "mlp":
        pixels = channels * height * wide
        ahead = [nn.Flatten(), nn.Linear(pixels, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU()]
        back = [nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, pixels)]
        back += [nn.Unflatten(1, (channels, height, wide))]
    else:
        sizes = halvings(height, wide, depth)
        levels = [channels, *(width * 2**level for level in range(len(sizes) - 1))]
        steps = list(zip(sizes[:-1], levels[:-1], levels[1:], strict=True))
        last = (levels[-1], *sizes[-1])
        ahead = [down(few, many, size, "none", nn.ReLU) for size, few, many in steps]
        ahead += [nn.Flatten(), nn.Linear(math.prod(last), hidden), nn.ReLU()]
        back = [nn.Linear(hidden, math.prod(last)), nn.ReLU(), nn.Unflatten(1, last)]
        back += [up(many, few, size, "none", nn.ReLU) for size, few, many in reversed(steps[1:])]
        back += [up(many, few, size, "none", nn.Identity) for size, few, many in steps[:1]]
    return {
        "encoder": nn.Sequential(*ahead, nn.Linear(hidden, 2 * latent)),
        "decoder": nn.Sequential(nn.Linear(latent, hidden), nn.ReLU(), *back),
    }
