"""Builds classifiers of transformers: images from a checkpoint or from a size, and a first try of either sort."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from huggingface_hub import hf_hub_download
from torch import nn
from transformers import AutoConfig, AutoModelForImageClassification
from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES

import modrack
from modrack_plugins.models.checkpoints import UNREADABLE, explained, folder_of, load_weights, source_of
from modrack_plugins.models.configs import adapt, building, check_size
from modrack_plugins.models.preprocessing import FILE, for_channels, of_data, read_preprocessor, tell_size
from modrack_plugins.models.text import quiet

# Each architecture has conditions of its own, and its own ways to say so.
_SAYS = (*UNREADABLE, IndexError, AttributeError, AssertionError, ArithmeticError, NotImplementedError)


def build_image(
    data: modrack.Data,
    name: str,
    checkpoint: str | None,
    revision: str | None,
    sizes: dict[str, int] | None,
    dropout: float | None,
) -> nn.Module:
    """The model, tried with one image. Raises UserError for what cannot be made, loaded, or does not take the data."""
    with quiet():
        if data.restore is not None:
            model = _restored(data.restore)
        elif sizes is not None:
            model = _fresh(data, name, sizes, dropout)
        else:
            model = _pretrained(data, name, str(checkpoint), revision, dropout)
    channels, height, width = data.shape or (3, 224, 224)
    wanted = _channels(model.config) or channels
    processor = getattr(model, "processor", None)
    size = processor.size[0] if processor is not None and processor.size and data.restore is None else 224
    _try(
        model,
        torch.zeros(2, wanted, height, width),
        f"model transformers/{name} cannot take images of {height}×{width} pixels with {wanted} channels",
        f"Take other images (dataset.size={size} where the dataset has that), or another model.",
    )
    return model


def try_text(model: nn.Module, name: str) -> nn.Module:
    """The same model, after one short text. Raises UserError where it wants more than tokens."""
    pad = getattr(model.processor, "pad_token_id", None) or 0
    tokens = torch.tensor([[token for token in range(12) if token != pad][:8]])
    _try(model, tokens, f"model transformers/{name} cannot be given texts alone", "Take another architecture.")
    return model


def _try(model: nn.Module, inputs: torch.Tensor, what: str, hint: str) -> None:
    model.eval()
    try:
        with torch.no_grad(), torch.random.fork_rng([]):
            if inputs.ndim == 2:
                model(input_ids=inputs, attention_mask=None)
            else:
                model(inputs)
    except _SAYS as error:
        raise modrack.UserError(f"{what}: {_line(error)}", hint) from error
    model.train()


def _fresh(data: modrack.Data, name: str, sizes: dict[str, int], dropout: float | None) -> nn.Module:
    if sizes["width"] % sizes["heads"]:
        raise modrack.UserError(f"model.width={sizes['width']} is no multiple of model.heads={sizes['heads']}.")
    try:
        config = AutoConfig.for_model(name)
        for part in (config, getattr(config, "vision_config", None)):
            if part is not None:
                for key, value in _sizes(part, data, sizes).items():
                    setattr(part, key, value)
        adapt(config, data, dropout)
        # Where there are several classes for one architecture, transformers looks here for which.
        classes = MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES[name]
        config.architectures = [classes if isinstance(classes, str) else classes[0]]
        check_size(AutoModelForImageClassification, config)
        model: nn.Module = AutoModelForImageClassification.from_config(config, **building(config))
    except modrack.UserError:
        raise
    except _SAYS as error:
        raise modrack.UserError(
            f"A new {name} model of this size cannot be made: {_line(error)}",
            "Try other sizes, or a folder with model.checkpoint=FOLDER.",
        ) from error
    made: Any = model
    made.processor = of_data(data)
    return model


def _sizes(config: Any, data: modrack.Data, sizes: dict[str, int]) -> dict[str, Any]:
    """The sizes by the names that `config` has for them; lists, one entry a stage, stay as they are."""
    channels, height, width = data.shape or (3, 224, 224)
    wanted: dict[str, Any]
    several = _several(config, "image_size") or height != width
    data_sizes = {"num_channels": channels, "image_size": (height, width) if several else height}
    if hasattr(config, "depths") or not hasattr(config, "num_hidden_layers"):
        wanted = data_sizes  # It goes by stages, whose sizes hang together.
    else:
        wanted = data_sizes | _plain_sizes(sizes)
    return {
        key: value
        for key, value in wanted.items()
        if hasattr(config, key) and (key == "image_size" or not _several(config, key))
    }


def _plain_sizes(sizes: dict[str, int]) -> dict[str, int]:
    return {
        "patch_size": sizes["patch"],
        "hidden_size": sizes["width"],
        "num_hidden_layers": sizes["layers"],
        "num_attention_heads": sizes["heads"],
        "intermediate_size": 4 * sizes["width"],
    }


def _several(config: Any, key: str) -> bool:
    return isinstance(getattr(config, key, None), (list, tuple))


def _restored(folder: Path) -> nn.Module:
    """The shape of a run's model; the runner loads its weights."""
    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        model: nn.Module = AutoModelForImageClassification.from_config(config, **building(config))
    except UNREADABLE as error:
        raise modrack.UserError(f"The checkpoint {folder} cannot be read: {_line(error)}") from None
    made: Any = model
    made.processor = read_preprocessor(folder / FILE, str(folder))
    return model


def _pretrained(
    data: modrack.Data, name: str, checkpoint: str, revision: str | None, dropout: float | None
) -> nn.Module:
    """A checkpoint's model with a new head. Only safetensors are opened, and no code."""
    local = folder_of(checkpoint)
    source, where = source_of(checkpoint, local, revision)
    try:
        config = AutoConfig.from_pretrained(source, trust_remote_code=False, **where)
        if config.model_type != name:
            raise modrack.UserError(
                f"model.checkpoint={checkpoint} holds a {config.model_type} model, not a {name} one.",
                f"Say --model transformers/{config.model_type}.",
            )
        found = read_preprocessor(_file(source, local, where), checkpoint)
        _check_channels(config, data, checkpoint)
        adapt(config, data, dropout)
        model = load_weights(AutoModelForImageClassification, source, config, checkpoint, **building(config), **where)
    except UNREADABLE as error:
        raise explained(error, checkpoint, local is not None) from None
    tell_size(found, data, checkpoint)
    channels = _channels(config) or (data.shape or (3,))[0]
    found = found or of_data(data)
    model.processor = None if found is None else for_channels(found, channels)
    made: nn.Module = model
    return made


def _file(source: str, local: Path | None, where: dict[str, Any]) -> Path:
    """The file that says how the model wants its images; it need not be there."""
    if local is not None:
        return local / FILE
    try:
        return Path(hf_hub_download(source, FILE, **where))
    except (OSError, ValueError):
        # Older models have none; whether the model itself is to be had is found out next.
        return Path("")


def _channels(config: Any) -> int | None:
    """How many channels the model takes, where its configuration says so."""
    vision = getattr(config, "vision_config", None)
    found: int | None = getattr(config, "num_channels", None) or getattr(vision, "num_channels", None)
    return found


def _check_channels(config: Any, data: modrack.Data, checkpoint: str) -> None:
    wanted, channels = _channels(config), (data.shape or (3,))[0]
    # Grey images are shown as coloured ones, by as many equal channels.
    if wanted is not None and wanted != channels and channels != 1:
        raise modrack.UserError(
            f"model.checkpoint={checkpoint} takes images with {wanted} channels; the data have {channels}.",
            "Make the images grey, or take another checkpoint." if wanted == 1 else None,
        )


def _line(error: BaseException) -> str:
    return (" ".join(str(error).split()) or type(error).__name__)[:200]
