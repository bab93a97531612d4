"""Builds a model of timm for the data at hand, and loads pretrained weights into it."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import timm
import torch
from safetensors import SafetensorError, safe_open
from timm.models import get_pretrained_cfg
from torch import nn

import modrack
from modrack_plugins.hub_access import hub_reachable
from modrack_plugins.quiet import quiet_loggers

FILE = "model.safetensors"


def build(
    name: str, data: modrack.Data, checkpoint: str | None, rates: dict[str, float | None], img_size: int | None
) -> nn.Module:
    """The model. Raises UserError where it cannot be made for the data's images, or the checkpoint does not fit."""
    channels, height, width = data.shape or (3, 224, 224)
    options: dict[str, Any] = {key: rate for key, rate in rates.items() if rate is not None}
    fixed = bool(getattr(get_pretrained_cfg(name), "fixed_input_size", False))
    if fixed:
        options["img_size"] = (height, width) if img_size is None else img_size
    elif img_size is not None:
        raise modrack.UserError(
            f"model.img_size={img_size}: timm/{name} takes images of any size.", "Leave model.img_size out."
        )
    if data.restore is None and checkpoint is not None:
        # timm fits the first layer to the channels, and positions to the size; its file may be of another head.
        file = _file(checkpoint)
        classes = _head(file)
        options |= {"pretrained": True, "pretrained_cfg_overlay": {"file": str(file), "hf_hub_id": None}}
        if classes is not None:
            options["pretrained_cfg_overlay"]["num_classes"] = classes
    outputs = data.outputs
    what = f"model timm/{name}"
    try:
        with _quiet():
            model: nn.Module = timm.create_model(name, in_chans=channels, num_classes=outputs, **options)
    except (RuntimeError, SafetensorError, KeyError) as error:
        if "pretrained" in options:
            said = " ".join(str(error).split())[:200]
            raise modrack.UserError(
                f"model.checkpoint={checkpoint} does not fit {what}: {said}", "It is of another model, or damaged."
            ) from None
        raise _unfit(what, channels, height, width, error) from None
    except (TypeError, ValueError, AssertionError, ZeroDivisionError, IndexError) as error:
        for option in ("drop_rate", "drop_path_rate"):
            if option in options and repr(option) in str(error):
                raise modrack.UserError(f"{what} has no {option}.", f"Leave model.{option} out.") from None
        raise _unfit(what, channels, height, width, error) from None
    _try(model, what, channels, height, width)
    return model


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without timm's remarks on how it fits weights, which are what was asked for."""
    with quiet_loggers("timm"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _try(model: nn.Module, what: str, channels: int, height: int, width: int) -> None:
    """One image through it: small ones vanish in many models, and only the forward tells."""
    model.eval()
    try:
        with torch.no_grad():
            model(torch.zeros(1, channels, height, width))
    except (RuntimeError, ValueError, AssertionError, ZeroDivisionError, IndexError) as error:
        raise _unfit(what, channels, height, width, error) from None
    model.train()


def _unfit(what: str, channels: int, height: int, width: int, error: Exception) -> modrack.UserError:
    said = " ".join(str(error).split())[:200] or type(error).__name__
    return modrack.UserError(
        f"{what} cannot take images of {height}×{width} pixels with {channels} channels: {said}",
        "Take larger images, or another model: modrack list model 'timm/*'.",
    )


def _file(checkpoint: str) -> Path:
    """The safetensors file that `checkpoint` means."""
    path = Path(checkpoint).expanduser()
    if path.is_dir():
        path = path / FILE if (path / FILE).is_file() else next(iter(sorted(path.glob("*.safetensors"))), path / FILE)
        if not path.is_file():
            there = ", ".join(sorted(each.name for each in path.parent.iterdir())[:6]) or "nothing"
            raise modrack.UserError(
                f"model.checkpoint={checkpoint}: there is no {FILE} in this folder.", f"It holds: {there}."
            )
    if path.is_file():
        if path.suffix != ".safetensors":
            raise modrack.UserError(
                f"model.checkpoint={checkpoint} is no safetensors file.",
                "A pickle can run code when it is opened. Where you trust it, convert it once:\n"
                "load it with torch, then safetensors.torch.save_file(weights, 'model.safetensors').",
            )
        return path
    if path.suffix == ".safetensors" or checkpoint.count("/") != 1 or path.is_absolute():
        raise modrack.UserError(f"model.checkpoint={checkpoint}: there is no such file or folder.")
    return _download(checkpoint)


def _download(name: str) -> Path:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(hf_hub_download(name, FILE, local_files_only=not hub_reachable()))
    except LocalEntryNotFoundError:
        raise modrack.UserError(
            f"model.checkpoint={name}: the Hub cannot be reached, and it was not downloaded before.",
            "Use a file or folder: model.checkpoint=FOLDER. Or leave it out, to start from random weights.",
        ) from None
    except (HfHubHTTPError, OSError, ValueError) as error:
        raise modrack.UserError(f"model.checkpoint={name}: {' '.join(str(error).split())[:200]}") from None


def _head(file: Path) -> int | None:
    """How many classes the weights in `file` were trained for, where a layer of a usual name says so."""
    try:
        with safe_open(file, "pt") as weights:
            names = set(weights.keys())
            for head in ("head.fc", "fc", "head", "classifier", "head.l", "last_linear"):
                if f"{head}.bias" in names:
                    return int(weights.get_slice(f"{head}.bias").get_shape()[0])
    except (SafetensorError, OSError) as error:
        raise modrack.UserError(
            f"model.checkpoint={file} cannot be read: {error}", "The file is cut off or damaged; copy it again."
        ) from None
    return None
