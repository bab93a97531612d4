"""What one source says, whatever its form: which components, which options, which settings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from modrack_registry.errors import UserError
from modrack_registry.kinds import Kind


@dataclass(frozen=True)
class Pick:
    """A component that somebody named. `origin` says where, `said` how to quote it in a mistake."""

    name: str
    origin: str
    said: str


@dataclass(frozen=True)
class Given:
    """A value that somebody gave.

    `owner` is the component it was given for: a name of a "many" kind, or what `use` said in the same
    table. `part` is the model's part that a `optimizer.generator.lr` is for. `text` says that it was typed.
    """

    name: str
    value: Any
    text: bool
    origin: str
    said: str
    owner: str | None = None
    part: str | None = None


@dataclass
class Layer:
    """One source of an experiment, read but not yet checked against the components.

    `named` says that its options are for the components it names, or for those named before it.
    """

    origin: str
    named: bool = False
    picks: dict[str, list[Pick]] = field(default_factory=dict)
    part_picks: dict[tuple[str, str], Pick] = field(default_factory=dict)
    options: dict[str, list[Given]] = field(default_factory=dict)
    settings: dict[str, Given] = field(default_factory=dict)
    unknown: list[Given] = field(default_factory=list)
    mistakes: list[UserError] = field(default_factory=list)

    def add(self, kind: Kind, given: Given) -> None:
        """Take a value for an option of a kind, or for `use` of a part."""
        if given.part is not None and given.name == "use":
            pick = Pick(str(given.value), given.origin, given.said)
            if (kind.name, given.part) in self.part_picks:
                self.mistakes.append(twice(given.said))
            self.part_picks[kind.name, given.part] = pick
            return
        mine = self.options.setdefault(kind.name, [])
        if any((each.owner, each.part, each.name) == (given.owner, given.part, given.name) for each in mine):
            self.mistakes.append(twice(given.said))
        mine.append(given)

    def set(self, given: Given) -> None:
        """Take a value for a setting."""
        if given.name in self.settings:
            self.mistakes.append(twice(given.said))
        self.settings[given.name] = given


def twice(said: str) -> UserError:
    return UserError(f"{said} says it a second time.", "Say it once.")


def has_parts(kind: Kind) -> bool:
    """Whether each part of a model can have its own component of this kind: those that work on its weights."""
    return bool({"params", "optimizer"} & set(kind.given))
