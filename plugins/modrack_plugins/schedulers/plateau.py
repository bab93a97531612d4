"""A learning rate that falls when the evaluations stop getting better."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge, Gt, Lt

import modrack
from modrack_plugins.schedulers.curves import Warmup

if TYPE_CHECKING:
    from torch.optim import Optimizer


@modrack.scheduler
def plateau(
    optimizer: Optimizer,
    steps: int,
    *,
    factor: Annotated[float, Gt(0), Lt(1), "what it is multiplied by when it falls"] = 0.3,
    patience: Annotated[int, Ge(0), "evaluations without improvement that are borne"] = 1,
    floor: Annotated[float, Ge(0), Lt(1), "share of the learning rate below which it does not fall"] = 1e-3,
    warmup: Warmup = 0.0,
) -> Any:
    """Down by a factor whenever the monitored value has stopped improving."""
    from modrack_plugins.schedulers.curve import Curve

    class Plateau(Curve):
        def __init__(self) -> None:
            self.best: float | None = None
            self.waited = 0
            self.level = 1.0
            super().__init__(optimizer, steps, warmup, lambda done: self.level)

        def evaluated(self, value: float, better: str) -> None:
            """After an evaluation, with the monitored value and its good direction."""
            if self.best is None or (value > self.best if better == "higher" else value < self.best):
                self.best, self.waited = value, 0
                return
            self.waited += 1
            if self.waited > patience:
                self.level, self.waited = max(floor, self.level * factor), 0
                self._apply()

        def state_dict(self) -> dict[str, Any]:
            return {"done": self.done, "best": self.best, "waited": self.waited, "level": self.level}

        def load_state_dict(self, state: dict[str, Any]) -> None:
            self.best, self.waited, self.level = state["best"], state["waited"], state["level"]
            super().load_state_dict(state)

    return Plateau()
