"""How far off are predicted numbers: sums that live on the device and keep no row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import modrack

if TYPE_CHECKING:
    from torch import Tensor

    from modrack import Data


class Sums:
    """Adds up some numbers a row, with how many rows there were; in fp64 where the device has it."""

    def __init__(self, size: int) -> None:
        import torch

        self.sums: Any = torch.zeros(size + 1, dtype=torch.float64)

    def to(self, device: Any) -> None:
        """Move the sums, in the precision that the device has."""
        import torch

        self.sums = self.sums.to(device, torch.float32 if str(device).startswith("mps") else torch.float64)

    def add(self, *columns: Tensor) -> None:
        """Add (rows,) of each."""
        import torch

        added = [torch.ones_like(columns[0]), *columns]
        self.sums += torch.stack([each.to(self.sums.dtype).sum() for each in added])

    def precise(self, numbers: Tensor) -> Tensor:
        """The numbers in the sums' precision."""
        return numbers.to(self.sums.dtype)


@modrack.metric(better="lower", target="number")
class Rmse(Sums):
    """Root of the mean squared difference, in the units of the target."""

    def __init__(self, data: Data) -> None:
        super().__init__(1)

    def update(self, prediction: Tensor, target: Tensor) -> None:
        """`prediction` and `target`: (rows,)."""
        self.add((self.precise(prediction) - target) ** 2)

    def compute(self) -> Tensor:
        """The value over all rows since it was made."""
        rows, squared = self.sums
        value: Tensor = (squared / rows).sqrt()
        return value


@modrack.metric(better="lower", target="number")
class Mae(Sums):
    """Mean absolute difference, in the units of the target."""

    def __init__(self, data: Data) -> None:
        super().__init__(1)

    def update(self, prediction: Tensor, target: Tensor) -> None:
        """`prediction` and `target`: (rows,)."""
        self.add((self.precise(prediction) - target).abs())

    def compute(self) -> Tensor:
        """The value over all rows since it was made."""
        rows, absolute = self.sums
        value: Tensor = absolute / rows
        return value


@modrack.metric(better="higher", target="number")
class R2(Sums):
    """Share of the target's variance that is explained: 1 is all of it, 0 what its mean would, below 0 is worse.

    As scikit-learn's `r2_score`: where all targets are equal, 1 for predictions without fault and 0 for others.
    """

    def __init__(self, data: Data) -> None:
        super().__init__(3)
        # Sums of squares about a number near the mean lose no digits to its size.
        self.near = data.target_mean or 0.0

    def update(self, prediction: Tensor, target: Tensor) -> None:
        """`prediction` and `target`: (rows,)."""
        away = self.precise(target) - self.near
        self.add((self.precise(prediction) - target) ** 2, away, away**2)

    def compute(self) -> Tensor:
        """The value over all rows since it was made."""
        import torch

        rows, left, away, square = self.sums
        whole = square - away**2 / rows
        # What rounding leaves of a variance that is none.
        even = whole <= 1e-12 * square
        value: Tensor = torch.where(even, (left <= 1e-12 * square).to(left.dtype), 1 - left / whole)
        return value
