"""One of torch's schedulers with a state that is JSON."""

from __future__ import annotations

from typing import Any

from torch.optim.lr_scheduler import LRScheduler


class Stepped:
    """Steps `inner`; keeps what changes as it steps, and leaves out the rest, which its construction sets anew."""

    def __init__(self, inner: LRScheduler) -> None:
        self.inner = inner

    def step(self) -> None:
        """After an optimizer step: the learning rate of the next one."""
        self.inner.step()

    def state_dict(self) -> dict[str, Any]:
        """Numbers, texts and lists of numbers by the names that torch has for them."""
        return {name: value for name, value in self.inner.state_dict().items() if _plain(value)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """What `state_dict` gave."""
        self.inner.load_state_dict(dict(state))


def _plain(value: Any) -> bool:
    if isinstance(value, list):
        return all(isinstance(each, (int, float)) for each in value)
    return value is None or isinstance(value, (bool, int, float, str))
