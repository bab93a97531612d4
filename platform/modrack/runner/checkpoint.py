"""Checkpoints: folders that are whole or not there.

    checkpoints/step-00000500/   model.safetensors  config.json  tokenizer.json …  one part named `model`
                                 generator/model.safetensors …                     any other part
                                 state.json  state.safetensors                     what training goes on from
                                 manifest.json                                     SHA-256 of every file
    checkpoints/last, best       links to whole ones

A checkpoint is written beside its place, hashed, fsynced and renamed once. There is no pickle in it.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from modrack.runner.parts import Parts
from modrack.runner.trees import pack, plain, unpack
from modrack_registry.errors import RunFailed

MANIFEST = "manifest.json"


def save_checkpoint(folder: Path, step: int, parts: Parts, state: dict[str, Any], *, keep: int, best: bool) -> Path:
    """Write `checkpoints/step-…` below `folder` and lead `last` (and `best`) to it; older ones beyond `keep` go."""
    root = folder / "checkpoints"
    place = root / f"step-{step:08d}"
    if not place.is_dir():
        aside = root / f".step-{step:08d}.{os.getpid()}"
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        try:
            save_parts(aside, parts)
            tensors: dict[str, Tensor] = {}
            tree = pack(state, tensors, "state")
            save_file({name: plain(tensor) for name, tensor in tensors.items()}, aside / "state.safetensors")
            (aside / "state.json").write_text(json.dumps(tree), "utf-8")
            _seal(aside)
            aside.rename(place)
        except BaseException:
            shutil.rmtree(aside, ignore_errors=True)
            raise
        _sync(root)
    _lead(root / "last", place.name)
    if best:
        _lead(root / "best", place.name)
    _prune(root, keep)
    return place


def save_parts(folder: Path, parts: Parts) -> None:
    """Weights, configuration and processor of each part, as Hugging Face's libraries read them."""
    for name, part in parts.items():
        place = folder if name == "model" else folder / name
        place.mkdir(exist_ok=True)
        save_weights(part, place / "model.safetensors")
        for companion in (getattr(part, "config", None), getattr(part, "processor", None)):
            save: Any = getattr(companion, "save_pretrained", None)
            if save is not None:
                save(place)


def load_parts(folder: Path, parts: Parts) -> None:
    """The weights of a checkpoint into `parts`. Raises RunFailed where they do not fit."""
    for name, part in parts.items():
        load_weights(part, (folder if name == "model" else folder / name) / "model.safetensors")


def save_weights(module: nn.Module, path: Path) -> None:
    """A state dict as safetensors. A tensor that two names share is written once, under the first."""
    kept: set[tuple[Any, ...]] = set()
    tensors: dict[str, Tensor] = {}
    for name, tensor in module.state_dict().items():
        same = (tensor.data_ptr(), tensor.shape, tensor.stride()) if tensor.numel() else (name,)
        if same not in kept:
            kept.add(same)
            tensors[name] = plain(tensor)
    # Hugging Face's loaders want to be told the format.
    save_file(tensors, path, metadata={"format": "pt"})


def load_weights(module: nn.Module, path: Path) -> None:
    """What `save_weights` wrote, into a module of the same shape."""
    loaded = load_file(path)
    wanted = module.state_dict()
    tied = {tensor.data_ptr() for name, tensor in wanted.items() if name in loaded}
    missing = [name for name, tensor in wanted.items() if name not in loaded and tensor.data_ptr() not in tied]
    extra = [name for name in loaded if name not in wanted]
    if missing or extra:
        raise RunFailed(f"{path} does not fit the model: it lacks {missing[:3]}, and has {extra[:3]} beyond it.")
    module.load_state_dict(loaded, strict=False)


def load_state(folder: Path) -> Any:
    """The training state that `save_checkpoint` was given."""
    tensors = load_file(folder / "state.safetensors")
    return unpack(json.loads((folder / "state.json").read_text("utf-8")), tensors)


def match_formats(optimizer: Any) -> None:
    """Lay loaded optimizer state out like its weights: files know one memory format only, kernels want one for both."""
    for parameter, state in getattr(optimizer, "state", {}).items():
        for name, value in state.items():
            if isinstance(value, Tensor) and value.shape == parameter.shape and value.stride() != parameter.stride():
                state[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)


def damage(folder: Path) -> str | None:
    """What is wrong with a checkpoint, or None where every file is as it was written."""
    try:
        manifest: dict[str, str] = json.loads((folder / MANIFEST).read_text("utf-8"))["sha256"]
    except (OSError, ValueError, KeyError):
        return f"{MANIFEST} is missing or unreadable"
    for name, digest in manifest.items():
        path = folder / name
        if not path.is_file():
            return f"{name} is missing"
        if _digest(path) != digest:
            return f"{name} is not as it was written"
    return None


def _seal(folder: Path) -> None:
    digests = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digests[path.relative_to(folder).as_posix()] = _digest(path)
        _sync(path)
    (folder / MANIFEST).write_text(json.dumps({"sha256": digests}, indent=1), "utf-8")
    _sync(folder / MANIFEST)
    for place in (*(path for path in folder.rglob("*") if path.is_dir()), folder):
        _sync(place)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _lead(link: Path, target: str) -> None:
    """Make `link` lead to `target` in one rename, so that it never leads nowhere."""
    aside = link.with_name(f".{link.name}.{os.getpid()}")
    aside.unlink(missing_ok=True)
    aside.symlink_to(target)
    aside.replace(link)


def _prune(root: Path, keep: int) -> None:
    leading = {(root / name).resolve() for name in ("last", "best") if (root / name).is_symlink()}
    steps = sorted(path for path in root.glob("step-*") if path.is_dir())
    for path in steps[: max(0, len(steps) - keep)]:
        if path.resolve() not in leading:
            # Renamed first: a process that is killed while it deletes must not leave half a checkpoint under its name.
            path.rename(root / f".gone.{path.name}")
    for gone in root.glob(".gone.*"):
        shutil.rmtree(gone, ignore_errors=True)
