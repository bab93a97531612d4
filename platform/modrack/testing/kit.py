"""Checks by kind: which there are, and how they are collected for a plugin."""

from __future__ import annotations

import importlib
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from modrack.testing.subject import Subject, subjects_of
from modrack_registry.errors import ModrackError

# The modules with the checks of each kind; "every" holds for all of them.
MODULES = {
    "every": "declaration",
    "model": "models",
    "dataset": "datasets",
    "optimizer": "optimizers",
    "scheduler": "schedulers",
    "metric": "metrics",
    "task": "tasks",
    "callback": "callbacks",
    "exporter": "exporters",
}


SIGNATURE = "signature and options"


class CheckFailed(Exception):
    """What is wrong, and what to write instead."""


class NotApplicable(Exception):
    """Why a check says nothing about this component."""


@dataclass(frozen=True)
class Outcome:
    """`state` is passed, failed or n/a; `reason` is empty for a check that passed."""

    state: str
    reason: str = ""


@dataclass(frozen=True)
class Check:
    """One check of one component."""

    name: str
    subject: Subject
    function: Callable[[Subject], None]

    def __str__(self) -> str:
        return f"{self.subject} {self.name}"

    @property
    def says(self) -> str:
        """What it checks, in a line."""
        return (self.function.__doc__ or "").partition("\n")[0]

    def outcome(self) -> Outcome:
        """Run it, whatever happens. What cannot even be called is told of once, by the first check."""
        if self.name != SIGNATURE and self.subject.component.mistakes():
            return Outcome("n/a", "its signature is to be mended first")
        try:
            self.function(self.subject)
        except NotApplicable as reason:
            return Outcome("n/a", str(reason))
        except (CheckFailed, ModrackError) as error:
            return Outcome("failed", str(error))
        except Exception as error:
            frame = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{frame.filename}:{frame.lineno}"
            return Outcome("failed", f"{self.subject.component.file}: {type(error).__name__}: {error} ({place})")
        return Outcome("passed")

    def run(self) -> None:
        """For pytest: raises CheckFailed, skips what does not apply."""
        outcome = self.outcome()
        if outcome.state == "failed":
            raise CheckFailed(f"{self}: {outcome.reason}")
        if outcome.state == "n/a":
            import pytest

            pytest.skip(outcome.reason)


def checks_of(target: str, only: Sequence[str] = ()) -> list[Check]:
    """All checks of a plugin: a `.py` file, a folder with a pyproject.toml, or the name of an installed plugin.

    `only` keeps the parts whose names fit one of its globs; those of a family are checked where it is named. Raises
    UserError where there is no such plugin or part, or it cannot be loaded.
    """
    return [
        Check(name, subject, function)
        for subject in subjects_of(target, only)
        for name, function in functions_of(subject.component.kind.name).items()
    ]


def functions_of(kind: str) -> dict[str, Callable[[Subject], None]]:
    """The checks of a kind by name, those of every kind first."""
    found: dict[str, Callable[[Subject], None]] = {}
    for part in ("every", kind):
        if part in MODULES:
            module: Any = importlib.import_module(f"modrack.testing.{MODULES[part]}")
            for name, value in vars(module).items():
                if name.startswith("check_"):
                    found[name.removeprefix("check_").replace("_", " ")] = value
    return found
