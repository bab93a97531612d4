"""A generator and a discriminator of convolutions, after DCGAN."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from annotated_types import Ge, Gt

import modrack

if TYPE_CHECKING:
    from torch import nn

    from modrack import Data


@modrack.model(takes="image", gives="generated")
def dcgan(
    data: Data,
    *,
    latent: Annotated[int, Gt(0), "numbers of noise that become an image"] = 64,
    width: Annotated[int, Gt(0), "channels at full size; each halving has twice as many"] = 32,
    depth: Annotated[int | None, Ge(0), "halvings of the image; none: until at most 7 pixels are left"] = None,
    norm: Annotated[Literal["group", "none"], "how the generator's layers are normalised"] = "group",
) -> dict[str, nn.Module]:
    """Noise to images by transposed convolutions, and a judge of strided ones; for images of any size.

    After Radford, Metz and Chintala (ICLR 2016, arXiv 1511.06434), with groups in place of batches in the
    normalisation: what a row becomes does not depend on the rows beside it, so splitting a batch changes nothing, and
    the judge has none, as its gradient's penalty wants it (arXiv 1704.00028, section 4). Two parts. `generator` takes
    (rows, latent) and gives pixels from 0 to 1; its attribute `latent` says how much noise it takes. `discriminator`
    takes pixels and gives a score a row, (rows,), the higher the more real.
    """
    from modrack_plugins.models.adversaries import Discriminator, Generator
    from modrack_plugins.models.pyramid import halvings

    channels, height, wide = data.shape or (1, 1, 1)
    sizes = halvings(height, wide, depth)
    return {
        "generator": Generator(latent, channels, sizes, width, norm),
        "discriminator": Discriminator(channels, sizes, width),
    }
