"""What holds where nobody says anything: each plugin's defaults, and those that depend on what is chosen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from modrack.configure.asked import Asked, is_named
from modrack.configure.document import Document
from modrack.configure.layer import Given, Layer, Pick
from modrack.configure.settings import settings_options
from modrack_registry.component import Component
from modrack_registry.errors import UserError
from modrack_registry.registry import Registry


class Defaults:
    """The plugins' defaults, merged in order: base tables first, then each `when` that holds.

    `if` is held against what the user asked for and, where that is nothing, the defaults merged before it. There
    "none" also fits an option that has no value.
    """

    def __init__(self, registry: Registry, asked: Asked) -> None:
        self.registry = registry
        self.picks: dict[str, list[Pick]] = {}
        self.settings: dict[str, Given] = {}
        self._options: dict[str, list[Given]] = {}
        self._asked = asked
        conditions: list[tuple[str, Mapping[str, Any], Mapping[str, Any]]] = []
        for plugin, content in registry.defaults():
            base = {key: value for key, value in content.items() if key != "when"}
            self._merge(self._read(plugin, base), {})
            for when in content.get("when", ()):
                conditional = {key: value for key, value in when.items() if key != "if"}
                conditions.append((plugin, when.get("if", {}), conditional))
        for plugin, holds, rest in conditions:
            if all(self._holds(path, wanted) for path, wanted in holds.items()):
                self._merge(self._read(plugin, rest), holds)

    def values(self, kind: str, component: Component) -> list[Given]:
        """The defaults for options of `component`, in order."""
        return [given for given in self._options.get(kind, ()) if is_named(component, given.owner)]

    def _read(self, plugin: str, content: Mapping[str, Any]) -> Layer:
        layer = Document(self.registry.kinds, f"default ({plugin})").read(content)
        if layer.mistakes:
            raise UserError.collect(layer.mistakes)
        return layer

    def _merge(self, layer: Layer, condition: Mapping[str, Any]) -> None:
        self.picks.update(layer.picks)
        self.settings.update(layer.settings)
        for kind, options in layer.options.items():
            for given in options:
                owner = given.owner
                if owner is None and kind in condition:
                    owner = next((each.full for each in self._effective(kind)), None)
                elif owner is None:
                    owner = next((pick.name for pick in self.picks.get(kind, ())), None)
                self._options.setdefault(kind, []).append(
                    Given(given.name, given.value, given.text, given.origin, given.said, owner, given.part)
                )

    def _holds(self, path: str, wanted: Any) -> bool:
        allowed = wanted if isinstance(wanted, (list, tuple)) else [wanted]
        kind, dot, option = path.partition(".")
        if kind in self.registry.kinds and not dot:
            return any(is_named(each, name) for each in self._effective(kind) for name in allowed)
        if kind in self.registry.kinds:
            return any(_fits(self._value(each, option), allowed) for each in self._effective(kind)[:1])
        return _fits(self._setting(path), allowed)

    def _effective(self, kind: str) -> list[Component]:
        """The components that are chosen as far as is known: asked for, or else by default."""
        picks = self._asked.picks(kind)
        found = []
        for pick in self.picks.get(kind, []) if picks is None else picks:
            try:
                found.append(self.registry.find(kind, pick.name))
            except UserError:
                continue  # Told where the choice itself is checked.
        return found

    def _value(self, component: Component, name: str) -> Any:
        try:
            option = component.options.get(name)
        except UserError:
            return None
        if option is None:
            return None
        kind = component.kind.name
        said = [*self.values(kind, component), *self._asked.about(component, self.picks.get(kind, []))[0]]
        mine = [each for each in said if each.name == name and each.part is None]
        return _checked(option, mine[-1]) if mine else option.default

    def _setting(self, path: str) -> Any:
        option = settings_options().get(path)
        given = self._asked.setting(path) or self.settings.get(path)
        if option is None or given is None:
            return None if option is None else option.default
        return _checked(option, given)


def _fits(value: Any, allowed: Any) -> bool:
    # TOML cannot spell the absence of a value.
    return value in allowed or (value is None and "none" in allowed)


def _checked(option: Any, given: Given) -> Any:
    try:
        return option.check(given.value, text=given.text)
    except ValueError:
        return None  # Told where all values are checked.
