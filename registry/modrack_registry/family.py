"""Families: many components of one library, none of which is made before it is used.

A plugin offers a family with the hook `modrack_families`. Its components are called `prefix/name`; their names
come from an index that is made once per version of the library, so that listing them imports nothing.
"""

from __future__ import annotations

import contextlib
import fnmatch
import importlib.metadata
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from modrack_registry.component import Component, Mark
from modrack_registry.errors import UserError
from modrack_registry.kinds import Kind
from modrack_registry.suggest import did_you_mean

if TYPE_CHECKING:
    from modrack_registry.discovery import Plugin

PREFIX = re.compile(r"[a-z0-9][a-z0-9._+-]*")


@dataclass(frozen=True)
class Family:
    """What a plugin says about a family.

    `names` gives {name: summary in a line}; it may import the library, and is called once for each version of it.
    `make` gives the decorated factory of one of these names; it is called when that one is used. `library` is the
    distribution that both need, `install` what pip is told where it is missing, `refused` are names that people
    will look for and why there is no such component.
    """

    kind: str
    prefix: str
    names: Callable[[], Mapping[str, str]]
    make: Callable[[str], Callable[..., Any]]
    library: str | None = None
    install: str | None = None
    refused: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Member:
    """A component of a family, known by name and not yet made."""

    kind: Kind
    name: str
    plugin: str
    version: str | None
    summary: str

    @property
    def full(self) -> str:
        """`plugin/prefix/name`, which is never ambiguous."""
        return f"{self.plugin}/{self.name}"


@dataclass(frozen=True)
class Offer:
    """A family as one registry has it: with its kind and the plugin it came from."""

    family: Family
    kind: Kind
    plugin: Plugin

    @property
    def label(self) -> str:
        """What stands for all of it in a list: `timm/*`."""
        return f"{self.family.prefix}/*"

    @cached_property
    def release(self) -> str | None:
        """The installed version of its library, read without importing it; None where there is none."""
        if self.family.library is None:
            return None
        try:
            return importlib.metadata.version(self.family.library)
        except importlib.metadata.PackageNotFoundError:
            return None

    @property
    def missing(self) -> bool:
        """Whether its library is not installed."""
        return self.family.library is not None and self.release is None

    @property
    def pip(self) -> str:
        """The line that installs its library."""
        return f"pip install '{self.family.install or self.family.library}'"

    @property
    def version(self) -> str | None:
        """The plugin's version, with the library's behind it: `0.1.0+timm.1.0.22`."""
        if self.release is None or self.plugin.version is None:
            return self.plugin.version or self.release
        local = re.sub(r"[^a-z0-9]+", ".", f"{self.family.library}.{self.release}".lower())
        return f"{self.plugin.version}+{local}"

    def member(self, name: str) -> Member:
        """The one called `name` within the family."""
        summary = self.index[name]
        return Member(self.kind, f"{self.family.prefix}/{name}", self.plugin.name, self.version, summary)

    @cached_property
    def index(self) -> dict[str, str]:
        """{name: summary}, made where nobody has yet. Raises UserError where the library is missing or broken."""
        from modrack_registry.family_index import read_index, write_index

        known = read_index(self)
        if known is None:
            self.need(f"{self.kind.name} {self.label}")
            with self._guard(f"{self.kind.name} {self.label}"):
                known = {str(name): str(summary) for name, summary in self.family.names().items()}
            write_index(self, known)
        return known

    @property
    def known(self) -> dict[str, str] | None:
        """The index where it is made already, None where it would have to be."""
        from modrack_registry.family_index import read_index

        return self.__dict__.get("index") or (None if self.missing else read_index(self))

    def need(self, what: str) -> None:
        """Raise UserError, with the line that mends it, where the library is not installed."""
        if self.missing:
            raise UserError(f"{what}: {self.family.library} is not installed.", self.pip)

    def make(self, name: str) -> Component:
        """The component called `name` within the family. Raises UserError where its plugin cannot make it."""
        what = f"{self.kind.name} {self.family.prefix}/{name}"
        with self._guard(what):
            thing = self.family.make(name)
        mark = getattr(thing, "__modrack__", None)
        if not isinstance(mark, Mark) or mark.kind != self.kind.name:
            raise UserError(
                f"{what}: plugin {self.plugin.name} made {thing!r}.", f"Decorate it, as in @modrack.{self.kind.name}."
            )
        whole = f"{self.family.prefix}/{name}"
        return Component(self.kind, whole, thing, self.plugin.name, self.version, mark.facts, mark.example)

    @contextlib.contextmanager
    def _guard(self, what: str) -> Any:
        try:
            with contextlib.redirect_stdout(sys.stderr):
                yield
        except UserError:
            raise
        except Exception as error:
            said = " ".join(str(error).split())[:300]
            raise UserError(
                f"{what} cannot be had from {self.family.library or self.plugin.name} {self.release or ''}".rstrip()
                + f": {type(error).__name__}: {said}",
                f"It arose in plugin {self.plugin.name}; --debug shows the traceback.",
            ) from error


class Families:
    """All families of a registry, and those of their components that have been made."""

    def __init__(self) -> None:
        self.offers: list[Offer] = []
        self._made: dict[tuple[str, str], Component] = {}

    def add(self, family: Any, kinds: Mapping[str, Kind], plugin: Plugin) -> None:
        """Take what a plugin's hook gave. Raises ValueError for what is no family."""
        if not isinstance(family, Family):
            raise ValueError(f"its hook modrack_families gave {family!r}, which is no modrack.Family")
        if family.kind not in kinds:
            raise ValueError(f"its family {family.prefix!r} is of the kind {family.kind!r}, which there is not")
        if not PREFIX.fullmatch(family.prefix):
            raise ValueError(f"its family {family.prefix!r} has odd characters in its prefix")
        if any((o.family.kind, o.family.prefix, o.plugin) == (family.kind, family.prefix, plugin) for o in self.offers):
            raise ValueError(f"its family {family.prefix!r} of the kind {family.kind!r} is there twice")
        self.offers.append(Offer(family, kinds[family.kind], plugin))

    def of(self, kind: str | None) -> list[Offer]:
        """The families of a kind, or all, by kind and prefix."""
        found = [offer for offer in self.offers if kind is None or offer.kind.name == kind]
        return sorted(found, key=lambda offer: (offer.kind.name, offer.family.prefix, offer.plugin.name))

    def members(self, kind: str | None, glob: str | None) -> list[Member]:
        """The members that `glob` fits, of those families whose prefix it contains: `timm/*resnext*`.

        Raises UserError where the library of such a family is missing.
        """
        return [
            member
            for offer in self.of(kind)
            if glob is not None and any(glob.startswith(f"{each}/") for each in _prefixes(offer))
            for member in map(offer.member, sorted(offer.index))
            if fnmatch.fnmatchcase(member.name, glob) or fnmatch.fnmatchcase(member.full, glob)
        ]

    def find(self, kind: str, name: str) -> list[Component]:
        """The components that `prefix/name` or `plugin/prefix/name` means; none where no family has that prefix.

        Raises UserError where a family has it and its library is missing, or it has no such name.
        """
        found: list[Component] = []
        wrong: list[Offer] = []
        for offer, inner in self._meant(kind, name):
            offer.need(f"{kind} {name}")
            if inner in offer.family.refused:
                raise UserError(f"There is no {kind} {offer.family.prefix}/{inner}: {offer.family.refused[inner]}")
            if inner in offer.index:
                found.append(self.component(offer.member(inner)))
            else:
                wrong.append(offer)
        if wrong and not found:
            known = [f"{offer.family.prefix}/{each}" for offer in wrong for each in offer.index]
            raise UserError(f"There is no {kind} {name!r}.", did_you_mean(name, known, limit=6))
        return found

    def component(self, member: Member) -> Component:
        """The component that a member stands for: one object, however often it is asked for."""
        key = (member.kind.name, member.full)
        if key not in self._made:
            offer, inner = next(
                (offer, inner)
                for offer, inner in self._meant(member.kind.name, member.full)
                if offer.plugin.name == member.plugin
            )
            self._made[key] = offer.make(inner)
        return self._made[key]

    def elsewhere(self, kind: str, name: str) -> list[str]:
        """Where `name` without a prefix, or with a wrong one, is in a family whose index is made already."""
        bare = name.rpartition("/")[2]
        return [f"{offer.family.prefix}/{bare}" for offer in self.of(kind) if bare in (offer.known or ())]

    def _meant(self, kind: str, name: str) -> list[tuple[Offer, str]]:
        return [
            (offer, name.removeprefix(f"{prefix}/"))
            for offer in self.of(kind)
            for prefix in _prefixes(offer)
            if name.startswith(f"{prefix}/")
        ]


def _prefixes(offer: Offer) -> tuple[str, str]:
    return offer.family.prefix, f"{offer.plugin.name}/{offer.family.prefix}"
