"""One named part of the rack."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from modrack_registry.errors import UserError
from modrack_registry.kinds import Kind
from modrack_registry.options import Option, read_options
from modrack_registry.suggest import did_you_mean

NAME = re.compile(r"[a-z0-9][a-z0-9._+-]*(/[a-zA-Z0-9][a-zA-Z0-9._+-]*)*")


@dataclass(frozen=True)
class Mark:
    """What a decorator leaves on a factory, as its attribute `__modrack__`.

    `example` are options with which the component can be tried quickly and offline, where the defaults cannot.
    """

    kind: str
    name: str
    version: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    example: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Component:
    """A factory with a name: what a decorator declared, and which plugin it came from."""

    kind: Kind
    name: str
    factory: Callable[..., Any]
    plugin: str
    version: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    example: Mapping[str, Any] = field(default_factory=dict)

    @property
    def full(self) -> str:
        """`plugin/name`, which is never ambiguous."""
        return f"{self.plugin}/{self.name}"

    @cached_property
    def doc(self) -> str:
        """The docstring, cleaned."""
        return inspect.getdoc(_unwrapped(self.factory)) or ""

    @property
    def summary(self) -> str:
        """The docstring's first line."""
        return self.doc.partition("\n")[0]

    @cached_property
    def options(self) -> dict[str, Option]:
        """What the user chooses: the keyword-only parameters. Raises UserError for a broken contract."""
        mistakes = self.mistakes()
        if mistakes:
            raise UserError.collect(mistakes)
        return self._signature[1]

    @cached_property
    def takes_given(self) -> tuple[str, ...]:
        """Which of the runner's arguments this factory asks for."""
        return self._signature[0]

    @cached_property
    def _signature(self) -> tuple[tuple[str, ...], dict[str, Option], list[tuple[str, str]]]:
        return read_options(self.factory)

    @property
    def file(self) -> str:
        """Where the factory is written, as `path:line`."""
        source = _unwrapped(self.factory)
        code = getattr(source, "__code__", None)
        if code is not None:
            return f"{code.co_filename}:{code.co_firstlineno}"
        try:
            return f"{inspect.getsourcefile(source)}:{inspect.getsourcelines(source)[1]}"
        except (OSError, TypeError):
            # A class that was made by a function: where its `__init__` is written.
            code = getattr(getattr(source, "__init__", None), "__code__", None)
            return f"{code.co_filename}:{code.co_firstlineno}" if code is not None else "<unknown>"

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the file the factory is written in, so that a run can tell whether it changed."""
        import hashlib

        path = Path(self.file.rpartition(":")[0])
        return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""

    def make(self, given: Mapping[str, Any], options: Mapping[str, Any]) -> Any:
        """Call the factory with those of the runner's arguments that it takes, and the user's options."""
        return self.factory(*(given[name] for name in self.takes_given), **options)

    def mistakes(self) -> list[UserError]:
        """Everything in which the declaration breaks the contract, each with file and line."""
        where = f"{self.kind.name} {self.full} ({self.file})"
        found: list[UserError] = []
        is_class = inspect.isclass(self.factory)
        one = f"{'an' if self.kind.name[0] in 'aeiou' else 'a'} {self.kind.name}"
        if is_class and self.kind.form == "function":
            found.append(
                UserError(
                    f"{where}: {one} is a function, this is a class.",
                    f"Write `def {self.name.replace('-', '_')}({', '.join(self.kind.given)}, *, …)` that returns one.",
                )
            )
        if not is_class and self.kind.form == "class":
            found.append(UserError(f"{where}: {one} is a class, this is a function.", f"Write `class {self.name}:`."))
        if not NAME.fullmatch(self.name):
            found.append(
                UserError(f"{where}: the name {self.name!r} has odd characters.", "Use a-z, 0-9 and '-', as in my-net.")
            )
        found += [
            UserError(f"{where}: @modrack.{self.kind.name} has no {fact!r}.", did_you_mean(fact, self.kind.facts))
            for fact in self.facts
            if fact not in self.kind.facts
        ]
        if found and is_class != (self.kind.form == "class"):
            return found
        given, _, problems = self._signature
        for name in given:
            if name not in self.kind.given:
                offered = ", ".join(self.kind.given) or "nothing"
                found.append(
                    UserError(
                        f"{where}: the runner gives {one} {offered}, not {name!r}.",
                        f"Put `*` before {name!r} to make it an option.",
                    )
                )
        found += [UserError(f"{where}: {problem}", hint) for problem, hint in problems]
        return found


def _unwrapped(factory: Any) -> Any:
    while hasattr(factory, "func"):  # functools.partial
        factory = factory.func
    return inspect.unwrap(factory)
