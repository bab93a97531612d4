"""Checkpoints that all processes write together, each what it holds; any number of processes reads them.

    checkpoints/step-00000500/   config.json  tokenizer.json …        as of any checkpoint
                                 sharded/weights/shard-….safetensors  a file a process
                                 sharded/state/shard-….safetensors    optimizer state and averages of sharded weights
                                 state.json  state.safetensors        all other state, and buffers
                                 manifest.json                        SHA-256 of every file

The files are those of torch.distributed.checkpoint in safetensors: each says in its header where its pieces belong, so
there is no index, and no pickle. Written aside and renamed once, like other checkpoints.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from modrack.runner.checkpoint import (
    SHARDED,
    digest,
    finish_checkpoint,
    manifest,
    part_folder,
    save_companions,
    save_weights,
    seal,
    sync,
)
from modrack.runner.engine import Engine
from modrack.runner.parts import Parts
from modrack.runner.sharding import is_dtensor, is_sharded, let_go
from modrack.runner.trees import pack, plain, unpack
from modrack_registry.errors import RunFailed

WEIGHTS, STATE = f"{SHARDED}/weights", f"{SHARDED}/state"


def save_sharded(
    folder: Path, step: int, parts: Parts, state: dict[str, Any], *, engine: Engine, keep: int, best: bool
) -> Path:
    """Like `save_checkpoint`, by all processes together. Raises RunFailed in all of them where one could not write."""
    root = folder / "checkpoints"
    place = root / f"step-{step:08d}"
    if not engine.share_number(int(place.is_dir())):
        aside = root / f".step-{step:08d}.{engine.share_number(os.getpid())}"
        try:
            _together(engine, lambda: _clear(aside) if engine.main else None)
            digests = _write_shards(aside, parts, state, engine)
            _together(engine, lambda: _write_rest(aside, place, parts, state, digests) if engine.main else None)
        except BaseException:
            if engine.main:
                shutil.rmtree(aside, ignore_errors=True)
            raise
    if engine.main:
        finish_checkpoint(root, place, keep=keep, best=best)
    engine.wait()
    return place


def merge_weights(folder: Path, parts: Parts) -> None:
    """Put the shards of a checkpoint's weights together, as `model.safetensors` that any library reads; by one process.

    The manifest is changed in one rename, before the shards go. `parts` are asked for names and shapes only.
    """
    if not (folder / WEIGHTS).is_dir():
        return
    listed = manifest(folder)
    for name, part in parts.items():
        if not is_sharded(part):
            continue
        path = part_folder(folder, name) / "model.safetensors"
        tensors = {key: torch.empty(each.shape, dtype=each.dtype) for key, each in part.named_parameters()}
        _read(folder / WEIGHTS, {f"{name}/{key}": each for key, each in tensors.items()})
        tensors |= _buffers(part)
        aside = path.with_name(".model.safetensors")
        save_file(tensors, aside, metadata={"format": "pt"})
        sync(aside)
        aside.replace(path)
        listed[path.relative_to(folder).as_posix()] = digest(path)
    seal(folder, {name: each for name, each in listed.items() if not name.startswith(f"{WEIGHTS}/")})
    shutil.rmtree(folder / WEIGHTS)


def load_any_parts(folder: Path, parts: Parts) -> None:
    """The weights of a checkpoint, sharded or not, into parts, sharded or not. By all processes together where there
    are several. Raises RunFailed where they do not fit."""
    let_go(parts.modules())
    for name, part in parts.items():
        source, prefix = part_folder(folder, name), ""
        # Merged ones are whole; those of another part may still be shards.
        if not (source / "model.safetensors").exists():
            source, prefix = folder / WEIGHTS, f"{name}/"
        wanted = {f"{prefix}{key}": parameter.detach() for key, parameter in part.named_parameters()}
        if prefix:
            _load_buffers(folder, name, part)
        else:
            wanted |= _buffers(part)
        _read(source, wanted)


def load_any_state(folder: Path, like: dict[str, Any]) -> Any:
    """The training state of a checkpoint, sharded or not, with tensors placed as those of `like`, a state of the same
    training now."""
    here: dict[str, Tensor] = {}
    pack(like, here, "state")
    tree = json.loads((folder / "state.json").read_text("utf-8"))
    tensors: dict[str, Tensor] = {}
    for source in (folder, folder / STATE):
        if source.is_dir():
            known = _known(source)
            wanted = {key: _room(known[key], here.get(key)) for key in _names(tree) if key in known}
            _read(source, wanted)
            tensors |= wanted
    return unpack(tree, tensors)


def _write_shards(aside: Path, parts: Parts, state: dict[str, Any], engine: Engine) -> dict[str, str]:
    """The pieces of all processes. Gives the digests of their files by name, in every process."""
    let_go(parts.modules())
    weights = {
        f"{name}/{key}": parameter.detach()
        for name, part in parts.items()
        if is_sharded(part)
        for key, parameter in part.named_parameters()
    }
    tensors: dict[str, Tensor] = {}
    pack(state, tensors, "state")
    cut = {key: settled(tensor) for key, tensor in tensors.items() if is_dtensor(tensor)}
    digests: dict[str, str] = {}
    for place, pieces in ((WEIGHTS, weights), (STATE, cut)):
        if pieces:
            _write(aside / place, pieces)
            digests |= _digests(aside, aside / place, engine)
    return digests


def settled(tensor: Any) -> Tensor:
    """A sharded tensor that is cut or the same everywhere: sums that are not yet added up are."""
    from torch.distributed.tensor import Replicate, Shard

    placements = [each if type(each) in (Shard, Replicate) else Replicate() for each in tensor.placements]
    return tensor if list(tensor.placements) == placements else tensor.redistribute(placements=placements)  # type: ignore[no-any-return]


def _write(place: Path, pieces: dict[str, Tensor]) -> None:
    from torch.distributed.checkpoint.api import CheckpointException
    from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageWriter
    from torch.distributed.checkpoint.state_dict_saver import save

    try:
        save(pieces, storage_writer=HuggingFaceStorageWriter(str(place), save_distributed=True))
    except (Exception, CheckpointException) as error:  # It derives from BaseException.
        raise RunFailed(f"The checkpoint could not be written: {_cause(error)}") from error


def _digests(aside: Path, place: Path, engine: Engine) -> dict[str, str]:
    """SHA-256 of the shards, each hashed by the process that wrote it."""
    mine = sorted(place.glob(f"shard-{engine.rank + 1:05d}-*"))
    content = torch.zeros(1, 33, dtype=torch.uint8)
    for path in mine:  # One at most: DCP writes one file a process.
        content[0] = torch.tensor([1, *bytes.fromhex(digest(path))], dtype=torch.uint8)
    names = sorted(path.name for path in place.iterdir()) if engine.main else []
    found = engine.gather(content)
    if not engine.main:
        return {}
    by_rank = {f"shard-{rank + 1:05d}": bytes(each[1:].tolist()).hex() for rank, each in enumerate(found) if each[0]}
    return {(place / name).relative_to(aside).as_posix(): by_rank[name[:11]] for name in names}


def _write_rest(aside: Path, place: Path, parts: Parts, state: dict[str, Any], digests: dict[str, str]) -> None:
    """What the main process writes by itself, and the rename."""
    tensors: dict[str, Tensor] = {}
    tree = pack(state, tensors, "state")
    rest = {key: tensor for key, tensor in tensors.items() if not is_dtensor(tensor)}
    for name, part in parts.items():
        if is_sharded(part):
            rest |= {f"buffers/{name}/{key}": buffer for key, buffer in _buffers(part).items()}
        else:
            part_folder(aside, name).mkdir(exist_ok=True)
            save_weights(part, part_folder(aside, name) / "model.safetensors")
        save_companions(aside, name, part)
    save_file({key: plain(tensor).clone() for key, tensor in rest.items()}, aside / "state.safetensors")
    (aside / "state.json").write_text(json.dumps(tree), "utf-8")
    seal(aside, digests, rest=True)
    aside.rename(place)
    sync(place.parent)


def _read(source: Path, wanted: dict[str, Tensor]) -> None:
    """Fill `wanted` from the safetensors files in `source`; of sharded tensors the pieces of this process, for which
    all processes must read together."""
    from torch.distributed.checkpoint.api import CheckpointException
    from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageReader
    from torch.distributed.checkpoint.state_dict_loader import load

    known = _known(source)
    missing = [key for key in wanted if key not in known]
    misshapen = [key for key in wanted if key in known and tuple(known[key][0]) != tuple(wanted[key].shape)]
    if missing or misshapen:
        raise RunFailed(
            f"{source} does not fit the model: it lacks {missing[:3]}, and has other sizes of {misshapen[:3]}."
        )
    alone = not any(is_dtensor(tensor) for tensor in wanted.values())
    try:
        if wanted:
            load(wanted, storage_reader=HuggingFaceStorageReader(str(source)), no_dist=alone)
    except (Exception, CheckpointException) as error:
        raise RunFailed(f"{source} cannot be read: {_cause(error)}") from error


def _known(source: Path) -> dict[str, tuple[tuple[int, ...], torch.dtype]]:
    """Shape and type of every tensor in the safetensors files of `source`."""
    from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageReader

    try:
        metadata: Any = HuggingFaceStorageReader(str(source)).read_metadata()
    except Exception as error:
        raise RunFailed(f"{source} cannot be read: {_cause(error)}") from error
    return {key: (tuple(each.size), each.properties.dtype) for key, each in metadata.state_dict_metadata.items()}


def _room(known: tuple[tuple[int, ...], torch.dtype], like: Tensor | None) -> Tensor:
    """An empty tensor of this shape and type, sharded as `like` is."""
    shape, dtype = known
    if like is not None and is_dtensor(like) and tuple(like.shape) == shape:
        return torch.empty_like(settled(like), dtype=dtype)
    return torch.empty(shape, dtype=dtype)


def _names(tree: Any) -> list[str]:
    """The tensors that a packed tree speaks of."""
    if isinstance(tree, dict):
        if isinstance(tree.get("$tensor"), str):
            return [tree["$tensor"]]
        return [name for each in tree.values() for name in _names(each)]
    return [name for each in tree for name in _names(each)] if isinstance(tree, list) else []


def _buffers(part: nn.Module) -> dict[str, Tensor]:
    """Those that are part of the module's state."""
    parameters = dict(part.named_parameters(remove_duplicate=False))
    return {key: each for key, each in part.state_dict().items() if key not in parameters}


def _load_buffers(folder: Path, name: str, part: nn.Module) -> None:
    _read(folder, {f"buffers/{name}/{key}": buffer for key, buffer in _buffers(part).items()})


def _together(engine: Engine, work: Any) -> None:
    """Let each process do its work; where one fails, all do."""
    failed: BaseException | None = None
    try:
        work()
    except Exception as error:
        failed = error
    if engine.any(failed is not None):
        raise failed or RunFailed("Another process could not write the checkpoint.")


def _clear(aside: Path) -> None:
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)


def _cause(error: BaseException) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return lines[-1].strip()[:300]
