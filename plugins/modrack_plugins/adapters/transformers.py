"""Every architecture of transformers that classifies texts or images: `--model transformers/electra`.

From a checkpoint, or in a size of one's own with random weights. Named as transformers names them (model_type).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge, Gt, Lt

import modrack
from modrack_plugins.models.transformers import (
    Dropout,
    Heads,
    Layers,
    MaxLength,
    Revision,
    Tokenizer,
    Vocabulary,
    Width,
)

if TYPE_CHECKING:
    from torch import nn

    from modrack import Data

Checkpoint = Annotated[str | None, "a folder, or a name on the Hugging Face Hub; none: random weights"]
Stretch = Annotated[float | None, Ge(0), Lt(1), "in all places; none: as the checkpoint, or a new model, has it"]
Patch = Annotated[int, Gt(0), "pixels of each side of a patch, in a new model that cuts images into patches"]
_SMALL = {"layers": 1, "width": 16, "heads": 2}
_REFUSED = {
    "layoutlmv2": "it reads pages, with a place for each word. See transformers/layoutlm.",
    "layoutlmv3": "it reads pages, with a place for each word. See transformers/layoutlm.",
    "markuplm": "it reads web pages, with a path for each word.",
    "imagegpt": "it takes clusters of colours instead of pixels. See transformers/vit.",
    "shieldgemma2": "it answers questions about images, and cannot learn classes. See transformers/siglip.",
    "siglip2": "it takes images that are cut up already. See transformers/siglip.",
    "timm_wrapper": "it wraps models of timm, which are here by themselves: modrack list model 'timm/*'.",
}


@modrack.hook
def modrack_families() -> list[modrack.Family]:
    """transformers/* among the models."""
    return [modrack.Family("model", "transformers", _names, _make, library="transformers", refused=_REFUSED)]


def _names() -> dict[str, str]:
    texts, images = _mapped()
    found = {name: f"classifies images ({_listed(images[name])})" for name in images}
    found |= {name: f"classifies texts ({_listed(texts[name])})" for name in texts}
    return {name: found[name] for name in sorted(found) if name not in _REFUSED}


def _mapped() -> tuple[dict[str, Any], dict[str, Any]]:
    """{model_type: transformers' class or classes} of what classifies texts, and images."""
    from transformers.models.auto import modeling_auto as auto

    return dict(auto.MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES), dict(
        auto.MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES
    )


def _listed(classes: Any) -> str:
    return classes if isinstance(classes, str) else classes[0]


def _make(name: str) -> Any:
    texts, _ = _mapped()
    return _text(name) if name in texts else _image(name)


def _text(name: str) -> Any:
    def model(
        data: Data,
        *,
        checkpoint: Checkpoint = None,
        revision: Revision = None,
        dropout: Dropout = None,
        max_length: MaxLength = 256,
        layers: Layers = 4,
        width: Width = 256,
        heads: Heads = 4,
        tokenizer: Tokenizer = "wordpiece",
        vocabulary: Vocabulary = 8000,
    ) -> nn.Module:
        from modrack_plugins.adapters.heads import try_text
        from modrack_plugins.models.text import Fresh, build

        fresh = None if checkpoint else Fresh(name, layers, width, heads, tokenizer, vocabulary)
        return try_text(build(data, name, checkpoint, revision, fresh, dropout, max_length), name)

    model.__doc__ = (
        f"{name} of transformers, as a classifier of texts.\n\n"
        "A new model trains a tokenizer on the data; what its architecture does not have of layers, width and heads "
        "is left as it is."
    )
    return modrack.model(takes="text", gives="logits", example=_SMALL | {"vocabulary": 300})(model)


def _image(name: str) -> Any:
    def model(
        data: Data,
        *,
        checkpoint: Checkpoint = None,
        revision: Revision = None,
        dropout: Stretch = None,
        layers: Layers = 4,
        width: Width = 256,
        heads: Heads = 4,
        patch: Patch = 4,
    ) -> nn.Module:
        from modrack_plugins.adapters.heads import build_image

        sizes = None if checkpoint else {"layers": layers, "width": width, "heads": heads, "patch": patch}
        return build_image(data, name, checkpoint, revision, sizes, dropout)

    model.__doc__ = (
        f"{name} of transformers, as a classifier of images.\n\n"
        "What the architecture of a new model does not have of layers, width, heads and patch is left as it is."
    )
    return modrack.model(takes="image", gives="logits", example=_SMALL)(model)
