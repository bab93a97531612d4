"""What a callback must be."""

from __future__ import annotations

from modrack.runner.loop import MOMENTS
from modrack.testing.kit import CheckFailed
from modrack.testing.sample import sample
from modrack.testing.subject import Subject


def check_has_a_moment(subject: Subject) -> None:
    """It can be made, and has a method for at least one moment of a run."""
    made = subject.make(data=sample("tabular")[0])
    if not any(callable(getattr(made, moment, None)) for moment in MOMENTS):
        raise CheckFailed(f"{subject.component.file}: it has none of the methods {', '.join(MOMENTS)}")
