"""The training loop: steps, log points, evaluations, checkpoints, until the end or a reason to stop."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from modrack.runner.evaluate import Measured, evaluate, forwards
from modrack.runner.keeper import Keeper
from modrack.runner.measures import monitored
from modrack.runner.pictures import keep_picture
from modrack.runner.report import EpochLine, Reporter
from modrack.runner.rig import Rig
from modrack.runner.shadow import Shadow
from modrack.seam import Batch, Step
from modrack_registry.errors import RunFailed

# The methods a callback may have, and when each is called.
MOMENTS = {
    "started": "before the first step, of a resumed run too",
    "stepped": "after each optimizer step; keep it short, the loop waits",
    "evaluated": "after each evaluation on validation, when its values are known; then the checkpoint is saved",
    "ended": "after the last evaluation, or when the run was stopped",
}


class Training:
    """A run in motion, as callbacks see it. `step` counts optimizer steps done, `epoch` whole epochs done.

    `log` is called with (step, {name: value}) at log points and after evaluations; `request` is asked at every
    step whether somebody wants to stop, and answers with the reason.
    """

    def __init__(
        self,
        rig: Rig,
        folder: Path,
        *,
        log: Callable[[int, dict[str, float]], None],
        report: Reporter,
        request: Callable[[], str | None],
        event: Callable[[str, dict[str, Any]], None] = lambda kind, data: None,
    ) -> None:
        self.rig, self.folder, self.report = rig, folder, report
        self.settings = rig.experiment.settings
        self.step = 0
        self.epoch = 0
        self.values: dict[str, float] = {}
        self.tables: dict[str, Any] = {}
        self.best: float | None = None
        self.best_step: int | None = None
        self.waited = 0
        # Whether this step is to be evaluated and was not: a run that is stopped makes up for it when it goes on.
        self.owed = False
        self.rows = 0
        self.seconds = 0.0
        self._log, self._request, self.event = log, request, event
        # Why this process wants to end, and why all of them do.
        self.asked: str | None = None
        self._reason: str | None = None
        self.monitor, self.better = monitored(rig.measures, self.settings.monitor)
        callbacks = {
            choice.component.full: choice.component.make({"data": rig.data}, choice.options)
            for choice in (rig.experiment.many("callback") if rig.engine.main or rig.sharded else [])
        }
        self._keeper = Keeper(self, callbacks)
        self._seen: Any = self if rig.engine.main or not callbacks else Shadow(self)
        # Bound once: an empty moment costs nothing in the loop.
        self._moments = {
            moment: [getattr(each, moment) for each in callbacks.values() if hasattr(each, moment)]
            for moment in MOMENTS
        }

    def stop(self, reason: str) -> None:
        """Ask the run to end after this step, as finished; of several processes at the next log point."""
        self.asked = self.asked or reason

    def log(self, values: dict[str, float]) -> None:
        """Record `values` at this step, and keep them as the newest."""
        self.values.update(values)
        self._log(self.step, values)

    def outputs(self, split: str) -> Iterator[tuple[Batch, Step]]:
        """Each batch of `split`, prepared, with what the task's evaluation gives for it; training is not touched."""
        rig = self.rig
        if split in rig.feeders:
            yield from forwards(rig.parts, rig.task, rig.feeders[split], autocast=rig.autocast, seed=self.settings.seed)

    def picture(self, name: str, picture: Any) -> Path:
        """Keep an image of Pillow as `pictures/NAME.png` in the run's folder, or a text as `pictures/NAME`."""
        return keep_picture(self.folder, name, picture)

    def load(self, checkpoint: Path) -> None:
        """Go on from a checkpoint instead of from the beginning."""
        self._keeper.load(checkpoint)

    def run(self) -> str:
        """Train to the end. Returns the status: finished or interrupted. Raises RunFailed."""
        rig, settings = self.rig, self.settings
        self._tell("started")
        clock = evaluated = time.perf_counter()
        self._agree(True)
        # A run that is to end before its first step is measured, and kept, as it is.
        self.owed = self.owed or (self._reason is not None and self.step == 0)
        if self.owed:
            self._evaluate(0.0)
        # A run that was stopped may have asked to end before, and so may a callback now.
        if self._agree(True) and self.owed:
            return self._interrupted()
        update, feeder = rig.update, rig.feeders["train"]
        stepped = self._moments["stepped"]
        while self.step < rig.total_steps and not self._reason:
            start = self.step - self.epoch * feeder.steps
            share = (rig.engine.rank, rig.engine.world)
            for batches in feeder.epoch(self.epoch, start=start, accumulate=rig.accumulate, share=share):
                update(self.step, batches)
                self.step += 1
                self.rows += batches[0].whole
                for callback in stepped:
                    callback(self._seen)
                if self.step % settings.log_every == 0:
                    self._log_point()
                ends_epoch = self.step % feeder.steps == 0
                wanted = self._agree(ends_epoch or self.step == rig.total_steps)
                at_end = self.step == rig.total_steps or self._reason is not None
                due = self.step % settings.evaluate_every == 0 if settings.evaluate_every else ends_epoch
                if due or at_end or wanted or self._due_save():
                    self.owed = due or at_end
                    self._log_point()
                    self.seconds += time.perf_counter() - clock
                    if wanted:
                        return self._interrupted()
                    if due or at_end:
                        self._evaluate(time.perf_counter() - evaluated)
                        evaluated = time.perf_counter()
                    elif self._due_save():
                        self._keeper.save()
                    if self._agree(True):
                        return self._interrupted()
                    clock = time.perf_counter()
                if at_end or self._reason:
                    break
            self.epoch = self.step // feeder.steps
        if self._reason:
            self.event("ended early", {"step": self.step, "reason": self._reason})
            self.report.note(self._reason)
        if rig.update.ema is not None:
            rig.update.ema.adopt()
        self._keeper.use_best()
        finished = self._test()
        self._tell("ended")
        if finished:
            self._keeper.merge()
        return "finished" if finished else "interrupted"

    def _interrupted(self) -> str:
        self._keeper.save()
        self._tell("ended")
        return "interrupted"

    @property
    def epochs_done(self) -> float:
        return float(self.step / self.rig.feeders["train"].steps)

    def _train_losses(self) -> list[str]:
        """The loss by name; where phases have each their own, all of them."""
        found = [name for name in self.values if name.startswith("train.") and name.endswith(".loss")]
        return ["train.loss"] if "train.loss" in found else found

    def _tell(self, moment: str) -> None:
        for callback in self._moments[moment]:
            callback(self._seen)

    def _agree(self, together: bool) -> bool:
        """Whether a signal asked to stop; and whether anybody asked the run to end, which is then the reason.

        Several processes must agree, and ask each other at log points only, or where all are `together`.
        """
        engine = self.rig.engine
        if engine.world == 1:
            self._reason = self._reason or self.asked
            return self._request() is not None
        if not together and self.step % self.settings.log_every:
            return False
        # A callback of the main process may have asked: the others follow.
        if engine.any(self.asked is not None):
            self._reason = self._reason or self.asked or "another process ended the run"
        return engine.any(self._request() is not None)

    def _due_save(self) -> bool:
        every = self.settings.checkpoint_every
        return every is not None and self.step % every == 0

    def _log_point(self) -> None:
        values, bad = self.rig.update.take()
        if bad is not None:
            step, loss = bad
            last = self.folder / "checkpoints" / "last"
            good = f"The last good checkpoint is {last.resolve()}." if last.exists() else "No checkpoint was saved yet."
            raise RunFailed(
                f"The loss became {loss} at step {step + 1}.",
                f"{good}\nA lower optimizer.lr, or clip=1, often helps.",
            )
        if not values:
            return
        logged = {f"train.{name}": value for name, value in values.items()}
        logged |= _learning_rates(self.rig.update.optimizers)
        self.log(logged)
        self.report.progress(self.step, self.rig.total_steps, self.epochs_done, values.get("loss"))

    def _evaluate(self, seconds: float) -> None:
        self.rig.engine.share_buffers(self.rig.parts.modules())
        with self.averaged():
            measured = self._measure("validation")
        if measured is None:
            return
        self.owed = False
        values = {f"validation.{name}": value for name, value in measured.values.items()}
        self.log(values)
        best = False
        value = values.get(self.monitor)
        if value is None and self.settings.monitor is not None:
            raise RunFailed(
                f"monitor={self.settings.monitor}: no evaluation gives that.", f"It gives {', '.join(values)}."
            )
        if value is not None:
            sign = 1 if self.better == "higher" else -1
            # What cannot be compared is no improvement on anything, and nothing has to improve on it.
            undefined = math.isnan(value)
            value = -sign * math.inf if undefined else value
            gain = -1.0 if undefined else 1.0 if self.best is None else (value - self.best) * sign
            # Of equals the later one has learned longer; but waiting for it is not improvement.
            best = gain >= 0
            if best:
                self.best, self.best_step = value, self.step
            self.waited = 0 if gain > 0 else self.waited + 1
            for scheduler in self.rig.update.schedulers.values():
                if hasattr(scheduler, "evaluated"):
                    scheduler.evaluated(value, self.better)
        # Before it is saved: what they log, ask for, or keep belongs to this step.
        with self.averaged():
            self._tell("evaluated")
        patience = self.settings.patience
        if patience is not None and self.waited >= patience and self.step < self.rig.total_steps:
            self.stop(f"stopped early: {self.monitor} did not improve in {self.waited} evaluations")
        self._keeper.save(best)
        shown = {name: self.values[name] for name in self._train_losses()} | values
        epochs = self.rig.total_steps / self.rig.feeders["train"].steps
        self.report.epoch(EpochLine(self.epochs_done, epochs, self.step, shown, seconds, best))

    def _measure(self, split: str) -> Measured | None:
        rig = self.rig
        return evaluate(
            rig.parts,
            rig.task,
            rig.feeders[split],
            rig.measures,
            autocast=rig.autocast,
            seed=self.settings.seed,
            engine=rig.engine,
            stopped=lambda: bool(self._request()),
        )

    def averaged(self) -> contextlib.AbstractContextManager[None]:
        """While it is entered, the weights are the averages, where there is `ema`."""
        ema = self.rig.update.ema
        return contextlib.nullcontext() if ema is None else ema.swapped()

    def _test(self) -> bool:
        """Measure the test split, where there is one. Whether it went to its end."""
        if "test" not in self.rig.feeders:
            return True
        measured = self._measure("test")
        if measured is None:
            return False
        self.log({f"test.{name}": value for name, value in measured.values.items()})
        self.tables.update({f"test.{name}": table for name, table in measured.tables.items()})
        for name, draw in measured.pictures.items() if self.rig.engine.main else ():
            picture = draw()
            if picture is not None:
                self.picture(f"test.{name}", picture)
        return True


def _learning_rates(optimizers: dict[str, Any]) -> dict[str, float]:
    rates = {name: float(optimizer.param_groups[0]["lr"]) for name, optimizer in optimizers.items()}
    if len(rates) == 1:
        return {"train.lr": next(iter(rates.values()))}
    return {f"train.{name}.lr": rate for name, rate in rates.items()}
