"""Run by two processes (test_sharding.py): checkpoints of sharded weights, whole, broken in the writing, and read."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.distributed.checkpoint.filesystem import FileSystemWriter

from modrack.runner import sharded_checkpoint
from modrack.runner.checkpoint import damage, load_parts
from modrack.runner.ema import Ema
from modrack.runner.engine import Engine, joined
from modrack.runner.parts import Parts
from modrack.runner.sharded_checkpoint import load_any_state, merge_weights, save_sharded
from modrack.runner.sharding import meet_state, shard
from modrack_registry.errors import RunFailed

CPU = torch.device("cpu")


class Net(nn.Module):
    """Odd sizes, a weight of one row, a buffer, a tie."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(5, 7), nn.BatchNorm1d(7), nn.Linear(7, 1))
        self.tied = nn.Linear(5, 7, bias=False)
        self.tied.weight = self.inner[0].weight

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        made: torch.Tensor = self.inner(x) + self.tied(x).sum(1, keepdim=True)
        return made


def learner(engine: Engine, seed: int) -> tuple[Parts, dict[str, Any], Ema]:
    """Parts, of which one is sharded, with their optimizers."""
    torch.manual_seed(seed)
    parts = Parts({"model": Net(), "small": nn.Linear(2, 2)})
    shard(parts.model, CPU, engine)
    optimizers = {name: torch.optim.AdamW(part.parameters(), lr=0.1) for name, part in parts.items()}
    return parts, optimizers, Ema(parts.parameters(), 0.5)


def learn(parts: Parts, optimizers: dict[str, Any], ema: Ema, rank: int) -> None:
    torch.manual_seed(rank)
    for _ in range(2):
        (parts.model(torch.randn(4, 5)).sum() + parts.small(torch.ones(1, 2)).sum()).backward()
        for optimizer in optimizers.values():
            optimizer.step()
            optimizer.zero_grad()
        ema.update()


def state(optimizers: dict[str, Any], ema: Ema) -> dict[str, Any]:
    return {"optimizers": {name: each.state_dict() for name, each in optimizers.items()}, "raw": ema.raw(), "step": 3}


def numbers(tree: Any) -> list[float]:
    """All numbers of a state, put together over the processes."""
    if isinstance(tree, torch.Tensor):
        whole: Any = tree.full_tensor() if hasattr(tree, "full_tensor") else tree
        return whole.detach().double().flatten().tolist()  # type: ignore[no-any-return]
    if isinstance(tree, dict):
        return [number for key in sorted(tree, key=str) for number in numbers(tree[key])]
    if isinstance(tree, (list, tuple)):
        return [number for each in tree for number in numbers(each)]
    return [float(tree)] if isinstance(tree, (int, float)) else []


def refused(save: Any, where: Any, name: str, broken: Any, here: bool) -> str:
    """What this process says of a `save` where, in the processes that say `here`, `broken` stands for `where.name`."""
    real = getattr(where, name)
    if here:
        setattr(where, name, broken)
    try:
        save()
    except (RunFailed, OSError) as error:
        return str(error)
    finally:
        setattr(where, name, real)
    return "nothing"


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    with joined("cpu") as engine:
        # A few numbers a file, so that there are several.
        sharded_checkpoint.FILE_BYTES = 100
        parts, optimizers, ema = learner(engine, 0)
        learn(parts, optimizers, ema, engine.rank)
        root = folder / "checkpoints"

        def save() -> Path:
            with ema.swapped():
                return save_sharded(folder, 3, parts, state(optimizers, ema), engine=engine, keep=1, best=True)

        def full(*_: Any) -> Any:
            raise OSError("No space left on device")

        found: dict[str, Any] = {"shards": refused(save, FileSystemWriter, "_write_data", full, engine.rank == 1)}
        engine.wait()
        found["rest"] = refused(save, sharded_checkpoint, "save_companions", full, engine.main)
        engine.wait()
        found["left"] = sorted(path.name for path in root.iterdir()) if engine.main else []
        engine.wait()
        place = save()
        before = numbers([list(parts.parameters()), state(optimizers, ema)])
        others = learner(engine, 1)
        meet_state(others[1])
        load_parts(place, others[0])
        loaded = load_any_state(place, state(*others[1:]))
        for name, optimizer in others[1].items():
            optimizer.load_state_dict(loaded["optimizers"][name])
        others[2].load(loaded["raw"])
        found["equal"] = numbers([list(others[0].parameters()), state(*others[1:])]) == before
        found["step"] = loaded["step"]
        mean = parts.model.inner[1].running_mean
        found["mean"] = [mean.tolist(), others[0].model.inner[1].running_mean.tolist()]
        found["damage"] = damage(place)
        with ema.swapped():
            averaged = {name: numbers(each) for name, each in parts.model.named_parameters()}
        if engine.main:
            merge_weights(place, parts)
            found["merged"] = damage(place)
            torch.manual_seed(2)
            whole = Parts({"model": Net(), "small": nn.Linear(2, 2)})
            load_parts(place, whole)
            found["whole"] = all(numbers(each) == averaged[name] for name, each in whole.model.named_parameters())
            found["files"] = sorted(path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file())
        engine.wait()
        (folder / f"found-{engine.rank}.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
