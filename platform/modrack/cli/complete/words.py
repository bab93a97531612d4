"""`path=value` words: settings of the run, options of the chosen components, and their values."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from modrack.cli.complete.files import paths
from modrack.cli.complete.parts import in_families, registry_of
from modrack.configure.asked import Asked
from modrack.configure.defaults import Defaults
from modrack.configure.document import read_file
from modrack.configure.layer import Layer, Pick
from modrack.configure.settings import settings_options
from modrack.configure.words import read_flags
from modrack_registry.component import Component
from modrack_registry.errors import UserError
from modrack_registry.options import Option

# Options of text that are paths by what they are called.
_PATHS = ("path", "checkpoint", "file", "folder")
_DEVICES = ("auto", "cpu", "cuda", "mps")


def fitting_words(context: click.Context, begun: str) -> list[CompletionItem[str]]:
    """What can be typed where `modrack train` takes words: an experiment file, or `path=value`."""
    path, equals, value = begun.partition("=")
    picks = chosen(context)
    options = dict(every_option(context, picks))
    if equals:
        return values(context, path, options.get(path), value, picks)
    found: list[CompletionItem[str]] = []
    for name, option in options.items():
        kind, dot, _ = name.partition(".")
        short = f"{kind}."
        if dot and kind in picks and not begun.startswith(short):
            # One entry for all options of a kind, or the list would be long.
            known = ", ".join(component.name for component in picks[kind])
            if short.startswith(begun) and all(item.value != short for item in found):
                found.append(CompletionItem(short, help=f"options of {known}"))
        elif name.startswith(begun):
            found.append(CompletionItem(f"{name}=", help=f"{option.help} [{option.label}]".strip()))
    if context.meta.get("file word") is None:
        found += [item for item in paths(begun, (".toml",)) if begun or not item.value.endswith("/")]
    return found


def chosen(context: click.Context) -> dict[str, list[Component]]:
    """The components that the line so far chooses, by kind: by flags, by the file, by default.

    Of a kind that nobody chose, as the task, all that there are. Values are not looked at: that would need pydantic.
    """
    registry = registry_of(context)
    given = {name.removeprefix("kind_"): list(names or ()) for name, names in context.params.items()}
    flags = {kind: given[kind] for kind in registry.kinds if given.get(kind)}
    layers: list[Layer] = []
    file: Path | None = context.meta.get("file")
    if file is not None and file.is_file():
        layers.append(Layer(str(file), picks=read_file(file, registry.kinds).picks))
    asked = Asked([*layers, read_flags(flags, registry.kinds)])
    try:
        defaults: dict[str, list[Pick]] = Defaults(registry, asked).picks
    except UserError:
        defaults = {}
    found: dict[str, list[Component]] = {}
    for kind in registry.kinds:
        picks = asked.picks(kind)
        for pick in defaults.get(kind, []) if picks is None else picks:
            if in_families(registry, kind, pick.name):
                found.setdefault(kind, [])  # Its options are known once its library is imported: too late for Tab.
                continue
            try:
                found.setdefault(kind, []).append(registry.find(kind, pick.name))
            except UserError:
                continue
        if kind not in found:
            found[kind] = registry.components(kind)
    return found


def every_option(context: click.Context, picks: dict[str, list[Component]]) -> Iterator[tuple[str, Option]]:
    """(path, option) of all settings and of all options of `picks`."""
    yield from settings_options().items()
    for kind, components in picks.items():
        many = registry_of(context).kinds[kind].many
        for component in components:
            middle = f"{component.name}." if many else ""
            try:
                for name, option in component.options.items():
                    yield f"{kind}.{middle}{name}", option
            except UserError:
                continue  # Its author is told by `check`.


def values(
    context: click.Context, path: str, option: Option | None, begun: str, picks: dict[str, list[Component]]
) -> list[CompletionItem[str]]:
    """Values for the option at `path`: its choices, paths, or its default, each as a whole word."""
    if option is None:
        return []
    name = path.rpartition(".")[2]
    if name.removesuffix("_path") in _PATHS or name.endswith("_path"):
        return paths(begun, lead=f"{path}=")
    known = list(option.choices)
    if path == "device":
        known = list(_DEVICES)
    elif path == "monitor":
        known = [f"validation.{name}" for name in ["loss", *(each.name for each in picks.get("metric", ()))]]
    if not known and not option.required and option.default not in (None, "", [], ()):
        default = option.default
        known = [",".join(map(str, default)) if isinstance(default, (list, tuple)) else str(default)]
    if option.label.endswith("or none"):
        known.append("none")
    return [
        CompletionItem(f"{path}={each}", help=_is_default(option, each)) for each in known if each.startswith(begun)
    ]


def _is_default(option: Option, value: str) -> str:
    return "the default" if str(option.default).lower() == value.lower() else ""
