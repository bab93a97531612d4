"""Checkpoints that all processes write together, each what it holds; any number of processes reads them.

    checkpoints/step-00000500/   config.json  tokenizer.json …        as of any checkpoint
                                 sharded/weights/shard-….safetensors  a file a process (and gigabyte)
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
from collections.abc import Iterator
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
    step_name,
    sync,
)
from modrack.runner.engine import Engine
from modrack.runner.parts import Parts
from modrack.runner.sharding import is_dtensor, is_sharded, let_go
from modrack.runner.tensor_file import write_tensors
from modrack.runner.trees import pack, plain, unpack
from modrack_registry.errors import RunFailed

# What a process writes into one file, or reads at once to put weights together.
FILE_BYTES = 1 << 30
WEIGHTS, STATE = f"{SHARDED}/weights", f"{SHARDED}/state"


def save_sharded(
    folder: Path, step: int, parts: Parts, state: dict[str, Any], *, engine: Engine, keep: int, best: bool
) -> Path:
    """Like `save_checkpoint`, by all processes together. Raises RunFailed in all of them where one could not write."""
    root = folder / "checkpoints"
    place = root / step_name(step)
    if not engine.share_number(int(place.is_dir())):
        aside = root / f".{place.name}.{engine.share_number(os.getpid())}"
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
        # Not by its last name: a reader of the folder opens all that end so.
        aside = path.with_name("model.safetensors.part")
        whole = {**dict(part.named_parameters()), **_buffers(part)}
        write_tensors(
            aside,
            {key: (tuple(each.shape), each.dtype) for key, each in whole.items()},
            _some_at_a_time(folder, name, part),
        )
        sync(aside)
        aside.replace(path)
        listed[path.relative_to(folder).as_posix()] = digest(path)
    seal(folder, {name: each for name, each in listed.items() if not name.startswith(f"{WEIGHTS}/")})
    shutil.rmtree(folder / WEIGHTS)


def _some_at_a_time(folder: Path, name: str, part: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """All weights of a sharded part, and its buffers, without more than `FILE_BYTES` of them in memory."""
    weights = dict(part.named_parameters())
    for keys in _in_files({key: bytes_of(each) for key, each in weights.items()}):
        some = {key: torch.empty(tuple(weights[key].shape), dtype=weights[key].dtype) for key in keys}
        _read(folder / WEIGHTS, {f"{name}/{key}": each for key, each in some.items()})
        yield from some.items()
    buffers = {key: torch.empty_like(each, device="cpu") for key, each in _buffers(part).items()}
    _read(folder, {f"buffers/{name}/{key}": each for key, each in buffers.items()})
    yield from buffers.items()


def bytes_of(tensor: Tensor) -> int:
    """Of a sharded tensor all bytes, wherever they lie."""
    return tensor.numel() * tensor.dtype.itemsize


def _in_files(sizes: dict[str, int]) -> list[list[str]]:
    """Names of tensors by the file they go into, in order, so that none holds many more than `FILE_BYTES`."""
    files: list[list[str]] = [[]]
    held = 0
    for name, size in sizes.items():
        if files[-1] and held + size > FILE_BYTES:
            files.append([])
            held = 0
        files[-1].append(name)
        held += size
    return files


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
            _write(aside / place, pieces, engine.world)
            digests |= _digests(aside, aside / place, engine)
    return digests


def settled(tensor: Any) -> Tensor:
    """A sharded tensor that is cut or the same everywhere: sums that are not yet added up are."""
    from torch.distributed.tensor import Replicate, Shard

    placements = [each if type(each) in (Shard, Replicate) else Replicate() for each in tensor.placements]
    return tensor if list(tensor.placements) == placements else tensor.redistribute(placements=placements)  # type: ignore[no-any-return]


def _write(place: Path, pieces: dict[str, Tensor], processes: int) -> None:
    from torch.distributed.checkpoint.api import CheckpointException
    from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageWriter
    from torch.distributed.checkpoint.state_dict_saver import save

    # A file is made in memory before it is written.
    files = _in_files({key: bytes_of(each) // processes for key, each in pieces.items()})
    numbers = {key: number for number, keys in enumerate(files, 1) for key in keys}
    try:
        save(pieces, storage_writer=HuggingFaceStorageWriter(str(place), numbers, save_distributed=True))
    except (Exception, CheckpointException) as error:  # It derives from BaseException.
        raise RunFailed(f"The checkpoint could not be written: {_cause(error)}") from error


def _digests(aside: Path, place: Path, engine: Engine) -> dict[str, str]:
    """SHA-256 of the shards, each hashed by the process that wrote it."""
    mine = sorted(place.glob(f"shard-{engine.rank + 1:05d}-*"))
    content = torch.tensor([list(bytes.fromhex(digest(path))) for path in mine], dtype=torch.uint8).reshape(-1, 32)
    # Sorted, the names are in the order of the processes, as what is gathered.
    found = [bytes(each).hex() for each in engine.gather(content).tolist()]
    names = sorted(path.relative_to(aside).as_posix() for path in place.iterdir()) if engine.main else []
    return dict(zip(names, found, strict=True)) if engine.main else {}


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
