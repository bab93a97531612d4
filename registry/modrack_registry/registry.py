"""The rack: every component that the loaded plugins declare, looked up by name."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pluggy

from modrack_registry import hookspecs
from modrack_registry.component import Component, Mark, file_of
from modrack_registry.discovery import Plugin, find_sources, guard, load_plugins
from modrack_registry.errors import UserError
from modrack_registry.family import Families, Member
from modrack_registry.kinds import BUILT_IN_KINDS, Kind
from modrack_registry.suggest import did_you_mean


class Registry:
    """Kinds, plugins and components. Kinds are gathered first, so the order of loading never matters."""

    def __init__(self, plugins: Sequence[Plugin]) -> None:
        self.plugins = list(plugins)
        self.kinds: dict[str, Kind] = {kind.name: kind for kind in BUILT_IN_KINDS}
        self.hooks = pluggy.PluginManager("modrack")
        self.hooks.add_hookspecs(hookspecs)
        self._components: dict[str, list[Component]] = {}
        self._owners: dict[str, Plugin] = {}
        self.families = Families()
        for plugin in self.plugins:
            with guard(plugin):
                for module in list(plugin.modules):
                    self._register(plugin, module)
        for plugin, kinds in self._call("modrack_kinds"):
            for kind in kinds:
                if not isinstance(kind, Kind):
                    plugin.blame(f"modrack_kinds gave {kind!r}; return a list of modrack.Kind")
                elif kind.name in self.kinds:
                    plugin.blame(f"its kind {kind.name!r} is there already")
                else:
                    self.kinds[kind.name] = kind
        for plugin in self.plugins:
            with guard(plugin):
                self._scan(plugin)
        for plugin, things in self._call("modrack_components"):
            with guard(plugin, "modrack_components"):
                for thing in things:
                    self._add(plugin, thing)
        for plugin, families in self._call("modrack_families"):
            with guard(plugin, "modrack_families"):
                for family in families:
                    self.families.add(family, self.kinds, plugin)

    def _register(self, plugin: Plugin, module: ModuleType) -> None:
        name = f"{plugin.name}:{module.__name__}"
        try:
            self.hooks.register(module, name)
            self._owners[name] = plugin
            for caller in self.hooks.get_hookcallers(module) or []:
                if not caller.has_spec():
                    known = [spec for spec in vars(hookspecs) if spec.startswith("modrack_")]
                    place = file_of(getattr(module, caller.name, module))
                    raise UserError(f"there is no hook {caller.name!r} ({place}).", did_you_mean(caller.name, known))
        except Exception:
            # A failing register leaves its first half behind.
            if self.hooks.has_plugin(name):
                self.hooks.unregister(name=name)
            plugin.modules.remove(module)
            raise

    def _scan(self, plugin: Plugin) -> None:
        # Only what is written there, or in modules below it: an imported component belongs to who wrote it.
        things = {
            id(thing): thing
            for module in plugin.modules
            for thing in list(vars(module).values())
            if f"{getattr(thing, '__module__', '')}.".startswith(f"{module.__name__}.")
        }
        for thing in things.values():
            self._add(plugin, thing)

    def _call(self, hook: str) -> list[tuple[Plugin, Any]]:
        """Each plugin's own answer to `hook`, in the order of loading, guarded one by one."""
        answers = []
        caller: pluggy.HookCaller = getattr(self.hooks.hook, hook)
        for implementation in caller.get_hookimpls():
            plugin = self._owners[implementation.plugin_name]
            with guard(plugin, hook):
                answer: Any = implementation.function()
                answers.append((plugin, list(answer) if not isinstance(answer, Mapping) else answer))
        return answers

    def _add(self, plugin: Plugin, thing: Any) -> None:
        mark = getattr(thing, "__modrack__", None)
        if not isinstance(mark, Mark):
            return
        kind = self.kinds.get(mark.kind)
        if kind is None:
            place = file_of(thing)
            plugin.blame(f"{mark.name} ({place}) is of the kind {mark.kind!r}. {did_you_mean(mark.kind, self.kinds)}")
            return
        component = Component(
            kind, mark.name, thing, plugin.name, mark.version or plugin.version, mark.facts, mark.example
        )
        self._components.setdefault(kind.name, []).append(component)
        plugin.components += 1

    @property
    def broken(self) -> list[Plugin]:
        return [plugin for plugin in self.plugins if plugin.error]

    def defaults(self) -> list[tuple[str, Mapping[str, Any]]]:
        """What each plugin's `modrack_defaults` says, with the plugin's name."""
        answers = self._call("modrack_defaults")
        for plugin, answer in answers:
            if not isinstance(answer, Mapping):
                plugin.blame("modrack_defaults returned no dict; return the content of an experiment file")
        return [(plugin.name, answer) for plugin, answer in answers if isinstance(answer, Mapping)]

    def tell(self, hook: str, **given: Any) -> list[str]:
        """Call `hook` of every plugin with `given`, each in its guard. Returns what went wrong, a line a plugin."""
        caller: pluggy.HookCaller = getattr(self.hooks.hook, hook)
        wrong = []
        for implementation in caller.get_hookimpls():
            plugin = self._owners[implementation.plugin_name]
            known = len(plugin.errors)
            with guard(plugin, hook):
                implementation.function(*(given[name] for name in implementation.argnames))
            wrong += [f"Plugin {plugin.name}: {reason}" for reason in plugin.errors[known:]]
        return wrong

    def commands(self) -> list[tuple[Plugin, Any]]:
        """What plugins give as commands, unchecked."""
        return [(plugin, command) for plugin, commands in self._call("modrack_commands") for command in commands]

    def components(self, kind: str | None = None, glob: str | None = None) -> list[Component]:
        """All components, or those of a kind, or those whose bare or full name matches `glob`; by kind and name.

        Those of families are there, and made, where `glob` begins with their prefix: `timm/*resnext*`.
        """
        return [
            self.families.component(each) if isinstance(each, Member) else each for each in self.listing(kind, glob)
        ]

    def listing(self, kind: str | None = None, glob: str | None = None) -> list[Component | Member]:
        """The same, with those of families as names that are not made: nothing is imported for them."""
        if kind is not None:
            self.kind(kind)
        found: list[Component | Member] = []
        for each in [kind] if kind is not None else self.kinds:
            found += [
                component
                for component in sorted(self._components.get(each, ()), key=lambda found: (found.name, found.plugin))
                if glob is None or fnmatch.fnmatch(component.name, glob) or fnmatch.fnmatch(component.full, glob)
            ]
            found += self.families.members(each, glob)
        return found

    def kind(self, name: str) -> Kind:
        """The kind of that name. Raises UserError with a suggestion."""
        if name not in self.kinds:
            raise UserError(f"There is no kind {name!r}.", did_you_mean(name, self.kinds))
        return self.kinds[name]

    def find(self, kind: str, name: str) -> Component:
        """The component that a bare or full name means. Raises UserError where that is none, or more than one."""
        self.kind(kind)
        mine = self._components.get(kind, [])
        found = [each for each in mine if each.full == name] or [each for each in mine if each.name == name]
        found = found or self.families.find(kind, name)
        if len(found) == 1:
            return found[0]
        if found:
            choices = "  or  ".join(f"--{kind} {each.full}" for each in sorted(found, key=lambda each: each.full))
            if len({each.full for each in found}) < len(found):
                places = ", ".join(each.file for each in found)
                raise UserError(
                    f"{kind} {name!r} is declared twice: {places}.", "Rename one (`name=` in its decorator)."
                )
            raise UserError(f"{kind} {name!r} is in {len(found)} plugins.", f"Type {choices}.")
        hint = did_you_mean(name, [each.name for each in mine] + [each.full for each in mine if "/" in name])
        if in_family := self.families.elsewhere(kind, name):
            hint = f"Did you mean {' or '.join(in_family)}?"
        elsewhere = [each for each in self._components if any(part.name == name for part in self._components[each])]
        if elsewhere:
            hint = f"{name} is of the kind {elsewhere[0]}: --{elsewhere[0]} {name}"
        for plugin in self.broken:
            hint += f"\nPlugin {plugin.name} could not be loaded: {plugin.error}"
        raise UserError(f"There is no {kind} {name!r}.", hint)


def load_registry(
    files: Iterable[str | Path] = (), without: Sequence[str] = (), beside: Iterable[str | Path] = ()
) -> Registry:
    """Find, filter, load and gather: the registry of this process. `files` are local plugins, `without` plugin names.

    `beside` are files that nobody named, which MODRACK_PLUGINS can leave out.

    Raises UserError for a file that is not there and for a name in `without` that no plugin has.
    """
    sources = find_sources(list(files), list(beside))
    names = {source.plugin for source in sources}
    unknown = [name for name in without if name not in names]
    if unknown:
        raise UserError.collect(
            UserError(f"--without {name}: no plugin has this name.", did_you_mean(name, names)) for name in unknown
        )
    return Registry(load_plugins(sources, without))
