"""The seam between a task and the core: what a task's author writes, and what the core hands over.

The core alone calls `backward`, clips, steps and zeroes; a batch is opaque to it. A task says how rows
become arrays, what the summed loss is, and what it is divided by. Nothing here imports torch when it is
imported, so that `modrack list` can read a module with a task in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from modrack.data.facts import Data
    from modrack.data.rows import Rows


@dataclass
class Step:
    """What one forward gives.

    `loss` has any shape: the core adds it up, in fp32, and divides by the task's `count`; a dict is several
    terms, each with its own count. `outputs` holds at least what the task `emits`, one entry a row. `logs` are
    reported as the mean of all their elements.
    """

    loss: Tensor | dict[str, Tensor] | None
    outputs: dict[str, Any] = field(default_factory=dict)
    logs: dict[str, Tensor] = field(default_factory=dict)


@dataclass
class Ragged:
    """Rows of unequal length: `values` laid end to end, row i being `values[offsets[i]:offsets[i + 1]]`.

    `values` (total, …), `offsets` int64 (rows + 1,), `pad` fills up a batch.
    """

    values: np.ndarray[Any, Any]
    offsets: np.ndarray[Any, Any]
    pad: float = 0

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @classmethod
    def of(cls, rows: Any, pad: float = 0, dtype: Any = None) -> Ragged:
        """From a list of sequences."""
        import numpy as np

        lengths = np.fromiter((len(row) for row in rows), np.int64, len(rows))
        offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
        parts = [np.asarray(row) for row in rows if len(row)]
        values = np.concatenate(parts) if parts else np.zeros(0, dtype or np.int64)
        return cls(values if dtype is None else values.astype(dtype, copy=False), offsets, pad)


class Batch(dict[str, Any]):
    """Named tensors of some rows; ragged columns arrive padded to one width.

    `size` rows; `rows` their numbers in the split, on the host; `lengths` the true lengths of each ragged
    column, on the host; `training` says whether the loop trains on it. `whole` is how many rows the step has over
    all micro-batches and processes; a `filler` stands in for a process without rows, and counts for nothing.
    """

    size: int
    rows: Tensor
    lengths: dict[str, Tensor]
    training: bool
    whole: int
    filler: bool
    # Where in the order of the epoch the first row stands, and what keys the noise.
    place: int
    key: tuple[int, ...]

    def __init__(
        self,
        columns: Mapping[str, Any],
        *,
        size: int,
        rows: Any = None,
        lengths: Mapping[str, Any] | None = None,
        real: Mapping[str, Tensor] | None = None,
        training: bool = False,
        place: int = 0,
        key: tuple[int, ...] = (0,),
    ) -> None:
        super().__init__(columns)
        self.size = size
        self.rows = rows
        self.lengths = dict(lengths or {})
        # Masks that came with the rows, by column: made where the values lie, without a copy from the host.
        self._real = dict(real or {})
        self.training = training
        self.whole, self.filler = size, False
        self.place = place
        self.key = key

    def mask(self, name: str) -> Tensor:
        """Which entries of the ragged column `name` are real: bool (size, width)."""
        import torch

        column = self[name]
        if name in self._real and self._real[name].shape == column.shape[:2]:
            return self._real[name]
        lengths = self.lengths[name].to(column.device, non_blocking=True)
        return torch.arange(column.shape[1], device=column.device) < lengths[:, None]

    def tensors(self) -> list[Tensor]:
        """All that lies on the device: columns and masks."""
        import torch

        return [each for each in (*self.values(), *self._real.values()) if isinstance(each, torch.Tensor)]

    def padded(self, name: str) -> bool:
        """Whether the ragged column `name` holds any padding; asks the host only."""
        return bool(self.lengths[name].min() < self[name].shape[1])

    def uniform(self, *shape: int) -> Tensor:
        """Noise in [0, 1), (size, *shape): a function of seed, epoch and each row's place, however batches are cut."""
        from modrack.runner.noise import uniform

        return uniform(self.key, self.place, self.size, shape, self._device())

    def normal(self, *shape: int) -> Tensor:
        """Standard normal noise, (size, *shape), reproducible like `uniform`."""
        from modrack.runner.noise import normal

        return normal(self.key, self.place, self.size, shape, self._device())

    @contextmanager
    def salted(self, number: int) -> Iterator[None]:
        """While it is entered, `uniform` and `normal` give other noise, for each number its own."""
        before, self.key = self.key, (*self.key, number)
        try:
            yield
        finally:
            self.key = before

    def _device(self) -> Any:
        import torch

        return next((value.device for value in self.values() if isinstance(value, torch.Tensor)), "cpu")


class Task:
    """What training means for a family of problems. Subclass it, and override what differs.

    `emits` are the outputs that metrics may ask for; of several targets those of each, by its name: then the outputs of
    a Step are {target: outputs} too, in evaluation of the rows that have the target. `phases` says which parts learn
    in which phase (None: all).
    `additive` is False where a row's loss hangs on the other rows of its micro-batch, as in a contrast: accumulating
    is then not the big batch, but a mean over micro-batches where `count` is 1.
    Built after the model, with the model's processor (a tokenizer, for instance), or None.
    """

    emits: tuple[str, ...] | Mapping[str, tuple[str, ...]] = ()
    phases: Mapping[str, tuple[str, ...] | None] = {"train": None}
    additive: bool = True

    def __init__(self, data: Data, processor: Any) -> None:
        self.data = data
        self.processor = processor

    def encode(self, rows: Rows) -> dict[str, Any]:
        """Rows of the dataset as {name: array | Ragged | None}, by chunks; pure. None is left out.

        By default the input, encoded by its sort: images as uint8 (n, channels, height, width), texts as token
        numbers by the processor.
        """
        from modrack.data.encoding import encode_input

        return encode_input(rows, self.data, self.processor)

    def pack(self, columns: dict[str, Any]) -> dict[str, Any]:
        """The encoded columns of a split (of a stream: of some rows of it) laid out in other rows; pure.

        Long texts cut, short ones joined: what training and evaluation then count as rows. By default as they are.
        Not asked where each row of the dataset wants its own answer.
        """
        return columns

    def prepare(self, batch: Batch) -> Batch:
        """Once a micro-batch, on the device, before any forward: masking, augmentation. By default scales images."""
        from modrack.data.encoding import prepare_input

        return prepare_input(batch, self.data, self.processor)

    def count(self, batch: Batch, phase: str) -> Any:
        """What the summed loss is divided by, from the prepared batch: a number, a tensor, or one a term; 0 where it
        has nothing of it."""
        return batch.size

    def step(self, parts: Any, batch: Batch, phase: str) -> Step:
        """One forward of `phase`."""
        raise NotImplementedError(f"{type(self).__name__} needs a method `step`")

    def evaluate(self, parts: Any, batch: Batch) -> Step:
        """One forward that measures; by default the step of the first phase."""
        return self.step(parts, batch, next(iter(self.phases)))

    def predict(self, parts: Any, batch: Batch) -> dict[str, Any]:
        """{name: one entry a row}, decoded for a person."""
        raise NotImplementedError(f"{type(self).__name__} needs a method `predict`")

    def schedule(self, step: int) -> tuple[str, ...]:
        """The phases due in optimizer step `step`, in order; a pure function. By default all."""
        return tuple(self.phases)

    def after(self, parts: Any, phase: str) -> None:
        """After the update of `phase`, without gradients: momentum teachers, weight clipping."""

    def forward(self, part: Any, batch: Batch) -> Any:
        """Call a part with this batch's input, by the convention of its sort; logits or whatever it gives."""
        from modrack.data.encoding import call_part

        return call_part(part, batch, self.data)
