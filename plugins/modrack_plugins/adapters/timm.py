"""Every model of timm, for images of any size and number of channels: `--model timm/resnet18`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge, Gt, Lt

import modrack

if TYPE_CHECKING:
    from torch import nn

    from modrack import Data


@modrack.hook
def modrack_families() -> list[modrack.Family]:
    """timm/* among the models."""
    return [modrack.Family("model", "timm", _names, _make, library="timm", install="modrack[timm]")]


def _names() -> dict[str, str]:
    import timm
    from timm.models import model_entrypoint

    from modrack_plugins.adapters.signatures import summary_of

    found = {}
    for name in timm.list_models():
        entry = model_entrypoint(name)
        source = entry.__module__.rpartition(".")[2]
        said = summary_of(entry).removeprefix("Constructs a ").removeprefix("Constructs an ")
        found[name] = f"{said} ({source})" if said != name else source
    return found


def _make(name: str) -> Any:
    def model(
        data: Data,
        *,
        checkpoint: Annotated[
            str | None, "pretrained weights: a .safetensors file, a folder with one, or a name on the Hugging Face Hub"
        ] = None,
        drop_rate: Annotated[float | None, Ge(0), Lt(1), "dropout before the head; none: the model's own"] = None,
        drop_path_rate: Annotated[
            float | None, Ge(0), Lt(1), "share of residual branches left out; none: the model's own"
        ] = None,
        img_size: Annotated[
            int | None, Gt(0), "pixels that a model of fixed size is made for; none: those of the data"
        ] = None,
    ) -> nn.Module:
        from modrack_plugins.adapters.timm_models import build

        return build(name, data, checkpoint, {"drop_rate": drop_rate, "drop_path_rate": drop_path_rate}, img_size)

    model.__doc__ = (
        f"{name} of timm.\n\nClasses and channels are those of the data. A checkpoint gives all weights; the head's "
        "only where it has as many classes."
    )
    return modrack.model(takes="image", gives="logits")(model)
