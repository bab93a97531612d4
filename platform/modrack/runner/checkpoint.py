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
from modrack.runner.sharding import is_sharded
from modrack.runner.trees import pack, plain, unpack
from modrack_registry.errors import RunFailed

MANIFEST = "manifest.json"
# Below it lie weights and state that several processes wrote: sharded_checkpoint.py.
SHARDED = "sharded"


def save_checkpoint(folder: Path, step: int, parts: Parts, state: dict[str, Any], *, keep: int, best: bool) -> Path:
    """Write `checkpoints/step-…` below `folder` and lead `last` (and `best`) to it; older ones beyond `keep` go."""
    root = folder / "checkpoints"
    place = root / step_name(step)
    if not place.is_dir():
        aside = root / f".{place.name}.{os.getpid()}"
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        try:
            save_parts(aside, parts)
            tensors: dict[str, Tensor] = {}
            tree = pack(state, tensors, "state")
            save_file({name: plain(tensor) for name, tensor in tensors.items()}, aside / "state.safetensors")
            (aside / "state.json").write_text(json.dumps(tree), "utf-8")
            seal(aside)
            aside.rename(place)
        except BaseException:
            shutil.rmtree(aside, ignore_errors=True)
            raise
        sync(root)
    finish_checkpoint(root, place, keep=keep, best=best)
    return place


def step_name(step: int) -> str:
    """The name of the folder of `step`; names sort as steps do."""
    return f"step-{step:08d}"


def finish_checkpoint(root: Path, place: Path, *, keep: int, best: bool) -> None:
    """Lead the links to a checkpoint that is written, and let older ones go."""
    _lead(root / "last", place.name)
    if best:
        _lead(root / "best", place.name)
    _prune(root, keep)


def forget_later(folder: Path, step: int, best: int | None) -> None:
    """Take away checkpoints of steps after `step`, from which a run has gone on: damaged ones, and those of what it
    learned there before. A new one would find its place taken. The links lead to `step` and to that of `best`."""
    root = folder / "checkpoints"
    later = [path for path in _steps(root) if path.name > step_name(step)]
    if not later:
        return
    for name, at in (("last", step), ("best", best)):
        place = root / step_name(at) if at is not None else None
        # It may have gone on from a copy that lies elsewhere.
        if place is not None and place.is_dir():
            _lead(root / name, place.name)
        else:
            (root / name).unlink(missing_ok=True)
    _take_away(root, later)


def save_parts(folder: Path, parts: Parts) -> None:
    """Weights, configuration and processor of each part, as Hugging Face's libraries read them."""
    for name, part in parts.items():
        part_folder(folder, name).mkdir(exist_ok=True)
        save_weights(part, part_folder(folder, name) / "model.safetensors")
        save_companions(folder, name, part)


def save_companions(folder: Path, name: str, part: nn.Module) -> None:
    """Configuration and processor of a part."""
    place = part_folder(folder, name)
    place.mkdir(exist_ok=True)
    for companion in (getattr(part, "config", None), getattr(part, "processor", None)):
        save: Any = getattr(companion, "save_pretrained", None)
        if save is not None:
            save(place)


def part_folder(folder: Path, name: str) -> Path:
    """Where a checkpoint keeps the part `name`."""
    return folder if name == "model" else folder / name


def load_parts(folder: Path, parts: Parts) -> None:
    """The weights of a checkpoint into `parts`. Raises RunFailed where they do not fit."""
    if (folder / SHARDED).is_dir() or any(is_sharded(part) for part in parts.modules()):
        from modrack.runner.sharded_checkpoint import load_any_parts

        load_any_parts(folder, parts)
        return
    for name, part in parts.items():
        load_weights(part, part_folder(folder, name) / "model.safetensors")


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
    for name, tensor in loaded.items():
        if tensor.shape != wanted[name].shape:
            shapes = tuple(tensor.shape), tuple(wanted[name].shape)
            raise RunFailed(
                f"{path} does not fit the model: {name} is {shapes[0]} there, and {shapes[1]} in the model."
            )
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
        listed = manifest(folder)
    except (OSError, ValueError, KeyError):
        return f"{MANIFEST} is missing or unreadable"
    for name, written in listed.items():
        path = folder / name
        if not path.is_file():
            return f"{name} is missing"
        if digest(path) != written:
            return f"{name} is not as it was written"
    # All shards that lie in a folder are read; where none is listed, they are about to be deleted.
    for place in {(folder / name).parent for name in listed if name.startswith(f"{SHARDED}/")}:
        for path in sorted(place.iterdir()):
            if path.relative_to(folder).as_posix() not in listed:
                return f"{path.relative_to(folder).as_posix()} does not belong to it"
    return None


def manifest(folder: Path) -> dict[str, str]:
    """SHA-256 of every file of a checkpoint, by name. Raises OSError, ValueError or KeyError where it is damaged."""
    listed: dict[str, str] = json.loads((folder / MANIFEST).read_text("utf-8"))["sha256"]
    return listed


def seal(folder: Path, known: dict[str, str] | None = None, *, rest: bool = False) -> None:
    """Write the manifest of a checkpoint, in one rename: of all its files, or of those whose digests are `known`, and
    with `rest` of the others too."""
    digests = dict(known or {})
    for path in sorted(path for path in folder.rglob("*") if path.is_file()) if rest or known is None else ():
        name = path.relative_to(folder).as_posix()
        if name not in digests:
            digests[name] = digest(path)
            sync(path)
    aside = folder / f".{MANIFEST}"
    aside.write_text(json.dumps({"sha256": digests}, indent=1), "utf-8")
    sync(aside)
    aside.replace(folder / MANIFEST)
    for place in (*(path for path in folder.rglob("*") if path.is_dir()), folder):
        sync(place)


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync(path: Path) -> None:
    """Until a file, or what a folder lists, is on the disk."""
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
    steps = _steps(root)
    _take_away(root, [path for path in steps[: max(0, len(steps) - keep)] if path.resolve() not in leading])


def _steps(root: Path) -> list[Path]:
    return sorted(path for path in root.glob("step-*") if path.is_dir())


def _take_away(root: Path, paths: list[Path]) -> None:
    _sweep(root)
    for path in paths:
        # Renamed first: a process that is killed while it deletes must not leave half a checkpoint under its name.
        path.rename(root / f".gone.{path.name}")
    _sweep(root)


def _sweep(root: Path) -> None:
    for gone in root.glob(".gone.*"):
        shutil.rmtree(gone, ignore_errors=True)
