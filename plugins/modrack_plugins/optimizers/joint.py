"""Several optimizers that act as one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

from torch.optim import Optimizer


class Joint(Optimizer):
    """Steps all of `inner`; its parameter groups are theirs, so that schedulers reach each."""

    def __init__(self, inner: list[Optimizer]) -> None:
        self.inner = inner
        super().__init__([group for each in inner for group in each.param_groups], {})
        # The groups of the inner ones themselves: a schedule that changes one here must change it there.
        self.param_groups = [group for each in inner for group in each.param_groups]
        self.state = defaultdict(dict)

    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One step of each."""
        for each in self.inner:
            each.step()

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all."""
        for each in self.inner:
            each.zero_grad(set_to_none)

    def state_dict(self) -> dict[str, Any]:
        """The states of all, in their order."""
        return {"inner": [each.state_dict() for each in self.inner]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """What `state_dict` gave."""
        for each, state in zip(self.inner, state_dict["inner"], strict=True):
            each.load_state_dict(state)
        self.param_groups = [group for each in self.inner for group in each.param_groups]
