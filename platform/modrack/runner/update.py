"""One optimizer step: forward, backward, clip, update, for every phase that is due.

A step trains on `batch_size` rows; accumulation only splits them. The loss is summed and divided by the
count of the whole step, so micro-batches of unequal length give exactly the big batch's gradient.
Nothing here waits for the device.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from modrack.native.rows import giving_rows
from modrack.runner.backward import backward
from modrack.runner.clip import clip_gradients
from modrack.runner.ema import Ema
from modrack.runner.engine import Engine, synchronise
from modrack.runner.evaluate import seed_all
from modrack.runner.noise import mix
from modrack.runner.parts import Parts
from modrack.runner.sharding import sharded_modules
from modrack.runner.uncompiled import plain_step
from modrack.seam import Batch, Task

# Sums of these lose more than a batch of losses can bear.
_SHORT = (torch.bfloat16, torch.float16)


class Update:
    """Moves the parts by one step at a time; keeps losses on the device until somebody asks."""

    def __init__(
        self,
        parts: Parts,
        task: Task,
        optimizers: dict[str, Any],
        schedulers: dict[str, Any],
        *,
        device: torch.device,
        autocast: Any,
        seed: int,
        clip: float | None,
        scaler: torch.amp.GradScaler | None = None,
        ema: Ema | None = None,
        engine: Engine | None = None,
        embeddings: Sequence[nn.Embedding] = (),
    ) -> None:
        self.parts, self.task = parts, task
        self.optimizers, self.schedulers = optimizers, schedulers
        self.device, self.seed, self.clip, self.scaler = device, seed, clip, scaler
        self.autocast, self.ema = autocast, ema
        self.engine = engine or Engine()
        # Those that learn by rows.
        self.embeddings = list(embeddings)
        self.learners = {
            phase: [name for name in parts if names is None or name in names] for phase, names in task.phases.items()
        }
        self._parameters = {
            phase: [p for name in names for p in getattr(parts, name).parameters() if p.requires_grad]
            for phase, names in self.learners.items()
        }
        self._trainable = [p for p in parts.parameters() if p.requires_grad]
        # A part that does not learn in a phase is called bare: a wrapper would wait for its gradients.
        wrapped = {name: self.engine.wrap(getattr(parts, name), device) for name in optimizers}
        self._views = {
            phase: parts.learning({name: wrapped[name] for name in names}) for phase, names in self.learners.items()
        }
        self._sharded = sharded_modules(parts.modules())
        # Who learns changes between phases only where they name different parts.
        self._toggles = len({tuple(names) for names in self.learners.values()}) > 1
        self._steps = {name: plain_step(optimizer) for name, optimizer in optimizers.items()}
        self._ratios: dict[tuple[float, float], Tensor] = {}
        # What is done to a training batch before the task prepares it.
        self.changes: list[Callable[[Batch], Batch]] = []
        self.losses: dict[str, list[tuple[int, Tensor, Any]]] = {}
        self.logs: dict[str, list[Tensor]] = {}

    def __call__(self, step: int, batches: list[Batch]) -> None:
        """Train on `batches`, the micro-batches of optimizer step `step` (counted from 0)."""
        task = self.task
        batches = [self._ready(step, place, batch) for place, batch in enumerate(batches)]
        for turn, phase in enumerate(self.learners):
            if phase not in task.schedule(step):
                continue
            self._let_go()
            self.choose_learners(phase)
            total = self._total(batches, phase)
            parts = self._views[phase]
            for place, batch in enumerate(batches):
                self._synchronise(phase, place == len(batches) - 1)
                seed_all(mix(self.seed, step, turn, place, self.engine.rank), self.device)
                with self.autocast, giving_rows(self.embeddings):
                    made = task.step(parts, batch, phase)
                if made.loss is None:
                    raise ValueError(f"task {type(task).__name__} gave no loss in phase {phase!r}")
                self._backward(made.loss, total, phase, step, 0.0 if batch.filler else float(self.engine.world))
                for name, value in made.logs.items():
                    # Of a filler nothing but the name: all processes must know the same ones.
                    kept = value.detach().reshape(-1)
                    self.logs.setdefault(name, []).append(kept[:0] if batch.filler else kept)
            self._move(phase)
            self._let_go()
            with torch.no_grad():
                task.after(self.parts, phase)
        self.choose_learners(None)
        if self.ema is not None:
            self.ema.update()

    def _ready(self, step: int, place: int, batch: Batch) -> Batch:
        # Who draws from torch's own random numbers gets the same ones in a resumed run.
        seed_all(mix(self.seed, step, -1, place, self.engine.rank), self.device)
        return self.task.prepare(self.changed(batch))

    def choose_learners(self, phase: str | None) -> None:
        """Let only the parts that learn in `phase` collect gradients; with None all of them."""
        if self._toggles:
            learning = None if phase is None else {id(parameter) for parameter in self._parameters[phase]}
            for parameter in self._trainable:
                parameter.requires_grad_(learning is None or id(parameter) in learning)

    def _let_go(self) -> None:
        """Before weights change, or who learns: none of the sharded ones is held whole."""
        for module in self._sharded:
            module.reshard()

    def changed(self, batch: Batch) -> Batch:
        """A training batch as augmentations leave it."""
        for number, change in enumerate(self.changes, 1):
            # Each draws noise of its own.
            with batch.salted(number):
                batch = change(batch)
        return batch

    def _total(self, batches: list[Batch], phase: str) -> Any:
        """What the step's loss is divided by: its count over all micro-batches and processes."""
        if type(self.task).count is Task.count:
            # Rows are counted on the host, and every process knows them without asking.
            return batches[0].whole
        counts = [self.task.count(batch, phase) for batch in batches]
        counts = [_scale(count, 0) if batch.filler else count for count, batch in zip(counts, batches, strict=True)]
        total = counts[0] if len(counts) == 1 else _add(counts)
        if self.engine.world == 1:
            return total
        if isinstance(total, dict):
            return {name: self._shared(each) for name, each in total.items()}
        return self._shared(total)

    def _shared(self, count: Any) -> Tensor:
        return self.engine.sum(
            torch.as_tensor(count, dtype=torch.float64 if self.device.type != "mps" else None).clone()
        )

    def _synchronise(self, phase: str, last: bool) -> None:
        if self.engine.world > 1:
            for name in self.learners[phase]:
                synchronise(getattr(self._views[phase], name), last)

    def _backward(
        self, loss: Tensor | dict[str, Tensor], total: Any, phase: str, step: int, weight: float = 1.0
    ) -> None:
        terms = loss if isinstance(loss, dict) else {"": loss}
        sums = {}
        for name, term in terms.items():
            whole = term.float() if term.dtype in _SHORT else term
            sums[name] = whole.sum() if whole.ndim else whole
            label = ".".join(filter(None, (phase if len(self.learners) > 1 else "", name)))
            over = total[name] if isinstance(total, dict) else total
            kept = sums[name].detach()
            self.losses.setdefault(label, []).append((step, kept if weight else kept * 0, over))
        if len(sums) == 1 and not isinstance(total, (dict, Tensor)) and self.scaler is None:
            # The gradient of the sum is 1 / total: said at the start, it saves a division in forward and backward.
            (whole,) = sums.values()
            backward(whole, self._ratio(weight, _counted(total)))
            return
        scaled = [
            whole * weight / _counted(total[name] if isinstance(total, dict) else total) for name, whole in sums.items()
        ]
        objective = scaled[0] if len(scaled) == 1 else torch.stack(scaled).sum()
        if self.scaler is not None:
            objective = self.scaler.scale(objective)
        objective.backward()

    def _ratio(self, weight: float, total: float) -> Tensor:
        """weight / total as a tensor on the device, kept: making one costs as much as an addition."""
        if (weight, total) not in self._ratios:
            if len(self._ratios) > 256:
                self._ratios.clear()
            # Filled on the device: a copy from the host would wait for it.
            self._ratios[weight, total] = torch.full((), weight / total, device=self.device)
        return self._ratios[weight, total]

    def _move(self, phase: str) -> None:
        names = self.learners[phase]
        if self.clip is not None:
            if self.scaler is not None:
                for name in names:
                    self.scaler.unscale_(self.optimizers[name])
            optimizers = [self.optimizers[name] for name in names]
            clip_gradients(self._parameters[phase], self.clip, self.engine, optimizers if self.scaler is None else [])
        for name in names:
            optimizer = self.optimizers[name]
            if self.scaler is not None:
                self.scaler.step(optimizer)
            else:
                self._steps[name]()
            scheduler = self.schedulers.get(name)
            if scheduler is not None:
                scheduler.step()
            optimizer.zero_grad(set_to_none=True)
        if self.scaler is not None:
            self.scaler.update()

    def take(self) -> tuple[dict[str, float], tuple[int, float] | None]:
        """What was learned since the last call: {"loss": mean, …}, and (step, loss) of the first that is not finite.

        One copy to the host, and one sum over the processes, which must ask together. Each mean is over everything
        counted, as if it had been one batch; where nothing was, there is none.
        """
        values: dict[str, float] = {}
        bad: tuple[int, float] | None = None
        for label, entries in self.losses.items():
            numbers = torch.stack([loss for _, loss, _ in entries]).tolist()
            # Micro-batches of one step share its total; count it once.
            totals = {step: total for step, _, total in entries}
            over = sum(float(total) for total in totals.values())
            mine = sum(numbers)
            if self.engine.world > 1:
                mine = self.engine.sum(torch.tensor(mine, dtype=torch.float64)).item()
            if over:
                values[f"{label}.loss" if label else "loss"] = mine / over
                if len(self.learners) == 1 and label:  # Several terms: what is lowered is their sum.
                    values["loss"] = values.get("loss", 0.0) + mine / over
            for (step, _, _), number in zip(entries, numbers, strict=True):
                if number - number != 0 and (bad is None or step < bad[0]):
                    bad = (step, number)
            if mine - mine != 0 and bad is None:
                bad = (entries[-1][0], mine)  # another process saw it
        if self.logs:
            flat = [torch.cat(tensors).float().cpu() for tensors in self.logs.values()]
            counted = self.engine.sum(
                torch.tensor([[float(each.double().sum()), each.numel()] for each in flat]).double()
            )
            for name, (total, count) in zip(self.logs, counted.tolist(), strict=True):
                if count:
                    values[name] = total / count
        self.losses.clear()
        self.logs.clear()
        return values, bad


def _counted(total: Any) -> Any:
    """What a loss is divided by: where a step has nothing that a term counts, its loss of 0 by 1."""
    return total + (total == 0)


def _scale(count: Any, factor: float) -> Any:
    return {name: each * factor for name, each in count.items()} if isinstance(count, dict) else count * factor


def _add(counts: list[Any]) -> Any:
    if isinstance(counts[0], dict):
        return {name: sum(count[name] for count in counts) for name in counts[0]}
    return sum(counts)
