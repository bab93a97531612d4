"""From layers to one experiment: who is chosen, with which options, and who said so.

Precedence: defaults < file < environment < command line (or Python). A component that a later layer
chooses does not inherit what was said for the one it replaces.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from modrack.configure.asked import Asked, is_named
from modrack.configure.defaults import Defaults
from modrack.configure.document import Document, read_file
from modrack.configure.experiment import Choice, Experiment
from modrack.configure.layer import Given, Layer, Pick, has_parts
from modrack.configure.settings import settings_from, settings_options
from modrack.configure.words import read_environment, read_flags, read_words
from modrack_registry.component import Component
from modrack_registry.errors import UserError
from modrack_registry.kinds import BUILT_IN_KINDS
from modrack_registry.options import check_options
from modrack_registry.registry import Registry
from modrack_registry.suggest import did_you_mean

# Without these there is no training; a kind in PICKED is chosen from the data where nobody names one.
NEEDED = ("model", "dataset", "optimizer")
PICKED = ("task",)


def resolve(
    registry: Registry,
    *,
    file: str | Path | Mapping[str, Any] | None = None,
    choices: Mapping[str, list[str]] | None = None,
    words: Iterable[str] = (),
    values: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] = os.environ,
    more: Iterable[UserError] = (),
) -> Experiment:
    """The experiment that all sources together describe. Raises one UserError with every mistake in them.

    `file` is an experiment file, or its content (a stored run's). `choices` are flags {kind: names},
    `words` typed `path=value`, `values` the same from Python: kinds, settings and dotted paths.
    `more` are mistakes that the caller has found already and wants told together with the others.
    """
    kinds = registry.kinds
    mistakes = list(more)
    layers: list[Layer] = []
    try:
        if isinstance(file, Mapping):
            layers.append(Document(kinds, "stored configuration").read(file))
        elif file is not None:
            layers.append(read_file(Path(file), kinds))
    except UserError as error:
        mistakes.append(error)
    layers.append(read_environment(environment, kinds))
    layers.append(read_words(words, kinds, read_flags(choices or {}, kinds)))
    if values:
        layers.append(Document(kinds, "python").read(values))
    return Sources(registry, Asked(layers), mistakes).resolve()


@dataclass
class Sources:
    """All that one experiment is made from."""

    registry: Registry
    asked: Asked
    mistakes: list[UserError] = field(default_factory=list)

    def resolve(self) -> Experiment:
        """Check everything and put it together. Raises UserError with all mistakes."""
        return Resolution(self).experiment()


class Resolution:
    """One pass over the sources; what is wrong gathers in `mistakes`."""

    def __init__(self, sources: Sources) -> None:
        self.sources, self.registry, self.asked = sources, sources.registry, sources.asked
        self.mistakes = [*sources.mistakes, *(each for layer in self.asked.layers for each in layer.mistakes)]
        self.files = {plugin.name for plugin in self.registry.plugins if plugin.origin == "file"}
        self.notes = [f"Plugin {each.name} is broken: {each.error}" for each in self.registry.broken if each.content]
        self.origins: dict[str, str] = {}
        self.failed: set[str] = set()
        self.defaults = Defaults(self.registry, self.asked)
        found = {kind: self._find(kind) for kind in self.registry.kinds}
        self.chosen = {kind: components for kind, components in found.items() if components}

    def experiment(self) -> Experiment:
        choices = {kind: self._choices(kind, components) for kind, components in self.chosen.items()}
        for kind in self.registry.kinds:
            if kind not in self.chosen and kind not in self.failed:
                self._nobody(kind)
        self._unused()
        settings = self._settings()
        self.mistakes += [self._unknown(given) for layer in self.asked.layers for given in layer.unknown]
        if self.mistakes:
            raise UserError.collect(self.mistakes)
        return Experiment(self.registry, choices, settings_from(settings), self.origins, self.notes, self.sources)

    def _find(self, kind: str) -> list[Component]:
        found: list[Component] = []
        asked = self.asked.picks(kind)
        for pick in self.defaults.picks.get(kind, []) if asked is None else asked:
            try:
                component = self.registry.find(kind, pick.name)
            except UserError as error:
                self.failed.add(kind)
                place = "" if pick.origin == "command line" else f" ({pick.said})"
                self.mistakes.append(UserError(f"{error.message.rstrip('.')}{place}.", error.hint))
                continue
            if component in found:
                self.mistakes.append(UserError(f"{pick.said}: {component.full} is there twice.", "Say it once."))
            found.append(component)
            many = self.registry.kinds[kind].many
            self.origins[f"{kind}.{component.name}" if many else kind] = pick.origin
        return found

    def _choices(self, kind: str, components: list[Component]) -> list[Choice]:
        made: list[Choice] = []
        for component in components:
            kept, dropped = self.asked.about(component, self.defaults.picks.get(kind, []))
            for lost, name in dropped:
                self.notes.append(f"{lost.said} was for {name}, and is left out: the {kind} is {component.name}.")
            given = [*self.defaults.values(kind, component), *kept]
            made.append(Choice(component, self._check(component, [each for each in given if each.part is None])))
            if has_parts(component.kind):
                made += self._parts(component, given)
        if self.registry.kinds[kind].many:
            self._check_owners(kind, components)
        return made

    def _parts(self, general: Component, given: list[Given]) -> list[Choice]:
        kind = general.kind.name
        picks = self.asked.part_picks(kind)
        made = []
        for part in dict.fromkeys([*picks, *(each.part for each in given if each.part is not None)]):
            component = self._find_part(kind, part, picks[part]) if part in picks else general
            if component is not None:
                # What is said for all parts is for the general component; another one starts afresh.
                mine = [each for each in given if each.part == part or (each.part is None and component is general)]
                made.append(Choice(component, self._check(component, mine, part), part))
        return made

    def _find_part(self, kind: str, part: str, pick: Pick) -> Component | None:
        try:
            self.origins[f"{kind}.{part}"] = pick.origin
            return self.registry.find(kind, pick.name)
        except UserError as error:
            self.mistakes.append(UserError(f"{error.message.rstrip('.')} ({pick.said}).", error.hint))
            return None

    def _check(self, component: Component, given: list[Given], part: str | None = None) -> dict[str, Any]:
        values = {each.name: (each.value, each.text, each.said) for each in given}
        prefix = Choice(component, {}, part).prefix
        label = f"{component.kind.name} {component.name}"
        # Who uses a file of their own is most likely its author, and wants to know where to look.
        declared = f"{component.full} ({component.file})" if component.plugin in self.files else ""
        try:
            checked, mistakes = check_options(component.options, values, label, prefix, declared)
        except UserError as error:
            self.mistakes.append(error)
            return {}
        self.mistakes += mistakes
        for name in component.options:
            self.origins[f"{prefix}{name}"] = f"default ({component.plugin})"
        for each in given:
            self.origins[f"{prefix}{each.name}"] = each.origin
        return checked

    def _check_owners(self, kind: str, components: list[Component]) -> None:
        """Tell of options for a component that is not among the chosen ones."""
        for given, replaced in self.asked.options(kind):
            if any(is_named(component, given.owner) for component in components):
                continue
            if replaced:
                self.notes.append(f"{given.said} is left out: the {kind} {given.owner} is not chosen any more.")
            elif kind not in self.failed:
                self._not_chosen(kind, given)

    def _not_chosen(self, kind: str, given: Given) -> None:
        known = [each.name for each in self.registry.components(kind)]
        if given.owner in known or given.owner is None:
            hint = f"Add --{kind} {given.owner or 'NAME'}."
        else:
            hint = did_you_mean(given.owner, known)
        self.mistakes.append(UserError(f"{given.said}: no {kind} {given.owner or ''}".rstrip() + " is chosen.", hint))

    def _nobody(self, kind: str) -> None:
        """Nothing of this kind is chosen: a mistake where it is needed, or where something was said about it."""
        if kind in PICKED:
            return
        if kind in NEEDED:
            known = [each.name for each in self.registry.components(kind)]
            broken = "".join(f"\nPlugin {each.name} could not be loaded: {each.error}" for each in self.registry.broken)
            hint = f"Say --{kind} NAME. {did_you_mean('', known)}{broken}"
            self.mistakes.append(UserError(f"No {kind} is chosen.", hint))
        elif self.registry.kinds[kind].many:
            self._check_owners(kind, [])
        else:
            for given, _ in self.asked.options(kind):
                self._not_chosen(kind, given)

    def _unused(self) -> None:
        """Say that a component of a plugin's kind is for the record only, where its kind does nothing with it."""
        built_in = {kind.name for kind in BUILT_IN_KINDS}
        for kind, components in self.chosen.items():
            if kind not in built_in and self.registry.kinds[kind].use is None:
                names = ", ".join(each.full for each in components)
                self.notes.append(f"{kind} {names} is recorded, and training does not use it: its Kind has no `use`.")

    def _settings(self) -> dict[str, Any]:
        options = settings_options()
        given = dict(self.defaults.settings)
        for layer in self.asked.layers:
            given.update(layer.settings)
        length = given.get("epochs")
        if "steps" in given and length is not None and length.origin.startswith("default"):
            del given["epochs"]  # Whoever says how many steps has not asked for the default's epochs.
        checked, mistakes = check_options(
            options, {path: (each.value, each.text, each.said) for path, each in given.items()}, "the run"
        )
        self.mistakes += mistakes
        if not mistakes and checked["epochs"] is None and checked["steps"] is None:
            self.mistakes.append(UserError("It is not said how long to train.", "Write epochs=5 or steps=1000."))
        for path in options:
            self.origins[path] = given[path].origin if path in given else "default (modrack)"
        return checked

    def _unknown(self, given: Given) -> UserError:
        """A path that begins with no kind and is no setting; most often an option without its kind."""
        path = given.name
        message = f"There is no setting {path!r} ({given.said})."
        for components in self.chosen.values():
            for component in components:
                if path in component.options:
                    return UserError(message, f"Did you mean {Choice(component, {}).prefix}{path}?")
        known = [*settings_options(), *self.registry.kinds]
        near = did_you_mean(path, known)
        if not near.startswith("Did"):
            near = did_you_mean(path.partition(".")[0], self.registry.kinds)
        return UserError(message, near if near.startswith("Did") else "modrack train --help lists them.")
