"""What a callback must be."""

from __future__ import annotations

import json
from typing import Any

from torch import Tensor

from modrack.runner.loop import MOMENTS
from modrack.runner.trees import pack, unpack
from modrack.testing.kit import CheckFailed, NotApplicable
from modrack.testing.sample import sample
from modrack.testing.subject import Subject


def check_has_a_moment(subject: Subject) -> None:
    """It can be made, and has a method for at least one moment of a run."""
    made = subject.make(data=sample("tabular")[0])
    if not any(callable(getattr(made, moment, None)) for moment in MOMENTS):
        raise CheckFailed(f"{subject.component.file}: it has none of the methods {', '.join(MOMENTS)}")


def check_state_saves_and_loads(subject: Subject) -> None:
    """Where it has state: saved as tensors and JSON and loaded into a new one, it is the same."""
    made = subject.make(data=sample("tabular")[0])
    if not hasattr(made, "state_dict") and not hasattr(made, "load_state_dict"):
        raise NotApplicable("it has no state")
    if not hasattr(made, "state_dict") or not hasattr(made, "load_state_dict"):
        raise CheckFailed(f"{subject.component.file}: of state_dict and load_state_dict it has one and lacks the other")
    before = _saved(subject, made)
    again = subject.make(data=sample("tabular")[0])
    again.load_state_dict(unpack(json.loads(before[0]), before[1]))
    after = _saved(subject, again)
    if before[0] != after[0] or not all(after[1][name].equal(tensor) for name, tensor in before[1].items()):
        raise CheckFailed(f"{subject.component.file}: loaded into a new one, its state is another")


def _saved(subject: Subject, made: Any) -> tuple[str, dict[str, Tensor]]:
    tensors: dict[str, Tensor] = {}
    try:
        return json.dumps(pack(made.state_dict(), tensors, "state")), tensors
    except TypeError as error:
        raise CheckFailed(f"{subject.component.file}: {error}") from None
