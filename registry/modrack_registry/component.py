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

    @property
    def where(self) -> str:
        """What to call it in a mistake of its author's: kind, plugin, name, file and line."""
        return f"{self.kind.name} {self.full} ({self.file})"

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
        return file_of(self.factory)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the file the factory is written in, so that a run can tell whether it changed."""
        import hashlib

        path = Path(self.file.rpartition(":")[0])
        return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""

    def make(self, given: Mapping[str, Any], options: Mapping[str, Any]) -> Any:
        """Call the factory with those of the runner's arguments that it takes (None where the runner has none), and
        the user's options."""
        return self.factory(*(given.get(name) for name in self.takes_given), **options)

    def mistakes(self) -> list[UserError]:
        """Everything in which the declaration breaks the contract, each with file and line."""
        found = self._problems()
        if not found:
            return []
        where = self.where  # It reads the source of a class, and most components have no mistakes.
        return [UserError(f"{where}: {problem}", hint) for problem, hint in found]

    def _problems(self) -> list[tuple[str, str]]:
        """(what is wrong, what to write instead)."""
        kind, found = self.kind, []
        is_class = inspect.isclass(self.factory)
        one = f"{'an' if kind.name[0] in 'aeiou' else 'a'} {kind.name}"
        if is_class and kind.form == "function":
            arguments = ", ".join([*kind.given, "*", "…"])
            function = re.sub(r"\W", "_", self.name)
            instead = f"Write `def {function}({arguments})` that returns {kind.returns or 'one'}."
            found.append((f"{one} is a function, this is a class.", instead))
        if not is_class and kind.form == "class":
            name = "".join(word[:1].upper() + word[1:] for word in re.split(r"\W|_", self.name))
            methods = f" with {' and '.join(kind.methods)}" if kind.methods else ""
            found.append((f"{one} is a class, this is a function.", f"Write `class {name}:`{methods}."))
        if is_class and kind.form == "class":
            found += [
                (f"it has no method `{method}`.", f"Write `def {method}(self, …):` in it.")
                for method in kind.methods
                if not callable(getattr(self.factory, method, None))
            ]
        if not NAME.fullmatch(self.name):
            instead = f"Use a-z, 0-9 and '-', as in name={_plainer(self.name)!r}."
            found.append((f"the name {self.name!r} has odd characters.", instead))
        found += [
            (f"@modrack.{kind.name} has no {fact!r}.", did_you_mean(fact, kind.facts))
            for fact in self.facts
            if fact not in kind.facts
        ]
        if found and is_class != (kind.form == "class"):
            return found
        given, _, problems = self._signature
        offered = ", ".join(kind.given) or "nothing"
        found += [
            (f"the runner gives {one} {offered}, not {name!r}.", f"Put `*` before {name!r} to make it an option.")
            for name in given
            if name not in kind.given
        ]
        return found + problems


def _plainer(name: str) -> str:
    """A name without odd characters that is like `name`."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "my-net"


def file_of(thing: Any) -> str:
    """Where a function or class is written, as `path:line`; `<unknown>` where that cannot be found out."""
    source = _unwrapped(thing)
    code = getattr(source, "__code__", None)
    if code is not None:
        return f"{code.co_filename}:{code.co_firstlineno}"
    try:
        return f"{inspect.getsourcefile(source)}:{inspect.getsourcelines(source)[1]}"
    except (OSError, TypeError):
        # A class that was made by a function: where its `__init__` is written.
        code = getattr(getattr(source, "__init__", None), "__code__", None)
        return f"{code.co_filename}:{code.co_firstlineno}" if code is not None else "<unknown>"


def _unwrapped(factory: Any) -> Any:
    while hasattr(factory, "func"):  # functools.partial
        factory = factory.func
    return inspect.unwrap(factory)
