"""What is checked: the components of one plugin, and what they are tried with."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from modrack_registry.component import Component
from modrack_registry.discovery import Source, find_sources, load_plugins
from modrack_registry.errors import UserError
from modrack_registry.options import check_options
from modrack_registry.registry import Registry
from modrack_registry.suggest import did_you_mean


@dataclass(frozen=True)
class Subject:
    """One component, and the registry it is in."""

    component: Component
    registry: Registry
    source: Source

    def __str__(self) -> str:
        return f"{self.component.kind.name} {self.component.name}"

    @cached_property
    def options(self) -> dict[str, Any]:
        """The options it is tried with: its defaults, and its `example` over them."""
        from modrack.testing.kit import NotApplicable

        component = self.component
        given = {name: (value, False, f"example={{{name!r}: …}}") for name, value in component.example.items()}
        missing = [option.name for option in component.options.values() if option.required and option.name not in given]
        if missing:
            raise NotApplicable(
                f"it needs {', '.join(missing)}: add example={{{missing[0]!r}: …}} to the decorator to have it tried"
            )
        checked, mistakes = check_options(component.options, given, str(self))
        if mistakes:
            raise UserError.collect(mistakes)
        return checked

    def make(self, **given: Any) -> Any:
        """Call the factory with the options it is tried with."""
        options = self.options
        return self.component.make(given, options)


def subjects_of(target: str, only: Sequence[str] = ()) -> list[Subject]:
    """The components of a plugin, or those whose names fit a glob in `only`; of families only those that are named.

    Raises UserError where the plugin is not there, is broken, or has none.
    """
    installed = find_sources()
    mine = _sources(target, installed)
    others = [source for source in installed if source.plugin != mine[0].plugin]
    plugins = load_plugins([*others, *mine])
    registry = Registry(plugins)
    name = mine[0].plugin
    for plugin in plugins:
        if plugin.name == name and plugin.error:
            raise UserError(f"Plugin {name} cannot be loaded: {plugin.error}.")
    found = [component for component in registry.components() if component.plugin == name]
    if found and only:
        known = [component.name for component in found]
        asked = {each.full + each.kind.name: each for glob in only for each in registry.components(glob=glob)}
        found = [component for component in asked.values() if component.plugin == name]
        if not found:
            raise UserError(f"{name} has no part {' or '.join(only)}.", did_you_mean(only[0], known))
    if not found:
        raise UserError(f"{target} declares no component.", "Decorate a function, as in @modrack.model.")
    return [Subject(component, registry, mine[0]) for component in found]


def _sources(target: str, installed: list[Source]) -> list[Source]:
    path = Path(target)
    if path.suffix == ".py":
        if not path.exists():  # in the words of who asked: nobody said --plugin
            raise UserError(f"{target}: there is no such file.", "Give a .py file, a folder, or an installed plugin.")
        return [source for source in find_sources([path]) if source.origin == "file"]
    if path.is_dir() and (path / "pyproject.toml").is_file():
        return _of_project(path)
    found = [
        source for source in installed if target in (source.plugin, source.location, source.location.split(".")[0])
    ]
    if not found:
        names = {source.plugin for source in installed}
        hint = f"Give a .py file, a folder with a pyproject.toml, or an installed plugin. {did_you_mean(target, names)}"
        raise UserError(f"There is no plugin {target!r}.", hint)
    return found


def _of_project(folder: Path) -> list[Source]:
    """The entry points that a distribution's pyproject.toml declares, importable from where they lie."""
    try:
        project = tomllib.loads((folder / "pyproject.toml").read_text("utf-8")).get("project", {})
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{folder / 'pyproject.toml'}: {error}.") from None
    points = project.get("entry-points", {}).get("modrack", {})
    if not points:
        raise UserError(
            f"{folder / 'pyproject.toml'} has no entry point in the group modrack.",
            '[project.entry-points.modrack]\nmy_plugin = "my_plugin"',
        )
    for place in (folder / "src", folder):
        if place.is_dir():
            sys.path.insert(0, str(place.resolve()))
    version = project.get("version")
    return [Source(project.get("name", folder.name), version, "package", module) for module in points.values()]
