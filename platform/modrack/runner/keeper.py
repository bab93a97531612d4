"""The checkpoints of a training: what goes into them, and going on from one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from modrack.runner.checkpoint import (
    SHARDED,
    forget_later,
    load_parts,
    load_state,
    match_formats,
    save_checkpoint,
    step_name,
)
from modrack.runner.sharded_checkpoint import load_any_state, merge_weights, save_sharded
from modrack.runner.sharding import meet_state

if TYPE_CHECKING:
    from modrack.runner.loop import Training


class Keeper:
    """Saves `training` and loads it; of `callbacks`, by name, the state of those that have some."""

    def __init__(self, training: Training, callbacks: dict[str, Any]) -> None:
        self._training, self._rig, self._root = training, training.rig, training.folder / "checkpoints"
        self._callbacks = {name: each for name, each in callbacks.items() if _has_state(each)}
        # Until a resumed run saves: the steps of the checkpoint that it went on from, and of the best by then.
        self._came_from: tuple[int, int | None] | None = None

    def save(self, best: bool = False) -> None:
        """Write a checkpoint of this step; by all processes together."""
        training, engine = self._training, self._rig.engine
        folder, step, keep = training.folder, training.step, training.settings.checkpoint_keep
        with training.averaged():
            state = self.state_dict()
            if self._came_from is not None and engine.main:
                forget_later(folder, *self._came_from)
            self._came_from = None
            if engine.main:
                training.event("saved", {"step": step, "best": best})
            if self._rig.sharded:
                save_sharded(folder, step, self._rig.parts, state, engine=engine, keep=keep, best=best)
            elif engine.main:
                save_checkpoint(folder, step, self._rig.parts, state, keep=keep, best=best)
        engine.wait()

    def state_dict(self) -> dict[str, Any]:
        """All that training goes on from, beside the weights. The order of rows needs two integers: seed and step."""
        training, update = self._training, self._rig.update
        return {
            "step": training.step,
            "best": training.best,
            "best_step": training.best_step,
            "waited": training.waited,
            "owed": training.owed,
            "asked": training.asked,
            "optimizers": {name: each.state_dict() for name, each in update.optimizers.items()},
            "schedulers": {name: each.state_dict() for name, each in update.schedulers.items()},
            "callbacks": {name: each.state_dict() for name, each in self._callbacks.items()},
            "scaler": update.scaler.state_dict() if update.scaler is not None else None,
            "raw": update.ema.raw() if update.ema is not None else None,
            "values": training.values,
        }

    def load(self, checkpoint: Path) -> None:
        """Go on from a checkpoint: weights and all of `state_dict`."""
        training, update = self._training, self._rig.update
        if self._rig.sharded or (checkpoint / SHARDED).is_dir():
            if self._rig.sharded:
                meet_state(update.optimizers)
            state = load_any_state(checkpoint, self.state_dict())
        else:
            state = load_state(checkpoint)
        load_parts(checkpoint, self._rig.parts)
        training.step, training.best, training.best_step = state["step"], state["best"], state["best_step"]
        if training.best_step is not None and not (self._root / step_name(training.best_step)).is_dir():
            # It made room for a later one, which the run does not go on from.
            training.best = training.best_step = None
        self._came_from = (training.step, training.best_step)
        training.waited, training.values, training.asked = state["waited"], state["values"], state.get("asked")
        training.owed = state.get("owed", False)
        training.epoch = training.step // self._rig.feeders["train"].steps
        for name, optimizer in update.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])
            match_formats(optimizer)
        for name, scheduler in update.schedulers.items():
            scheduler.load_state_dict(state["schedulers"][name])
        for name, callback in self._callbacks.items():
            # There was none where the run was begun before they had states, or with other processes.
            if name in state.get("callbacks", {}):
                callback.load_state_dict(state["callbacks"][name])
        if update.scaler is not None:
            update.scaler.load_state_dict(state["scaler"])
        if update.ema is not None:
            update.ema.load(state["raw"])

    def use_best(self) -> None:
        """The weights of the best checkpoint, where they are not those at hand."""
        best, training = self._root / "best", self._training
        if training.best_step is not None and training.best_step != training.step and best.exists():
            load_parts(best, self._rig.parts)

    def merge(self) -> None:
        """The weights of a run that has ended in one file, as of any other run."""
        if self._rig.sharded:
            if self._rig.engine.main:
                for place in {(self._root / name).resolve() for name in ("last", "best")}:
                    if place.is_dir():
                        merge_weights(place, self._rig.parts)
            self._rig.engine.wait()


def _has_state(callback: Any) -> bool:
    return hasattr(callback, "state_dict") and hasattr(callback, "load_state_dict")
