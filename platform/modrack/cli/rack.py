"""The registry as the command line loads it, and the flags that say what to load."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from modrack_registry.registry import Registry

Function = TypeVar("Function", bound=Callable[..., Any])


def loading_flags(function: Function) -> Function:
    """Give a command `--plugin FILE` and `--without NAME`, both repeatable, and `--debug`."""
    for decorate in (
        debug_flag,
        click.option("--without", multiple=True, metavar="NAME", help="Leave this plugin out (repeatable)."),
        click.option("--plugin", multiple=True, metavar="FILE", help="Also load this plugin file (repeatable)."),
    ):
        function = decorate(function)
    return function


def debug_flag(function: Function) -> Function:
    """Give a command `--debug`, which the door reads."""
    return click.option("--debug", is_flag=True, expose_value=False, help="Show the traceback of an error.")(function)


def json_flag(function: Function) -> Function:
    """Give a command `--json`."""
    return click.option("--json", "json_", is_flag=True, help="Print data alone, as JSON.")(function)


def load(
    ctx: click.Context, plugin: Iterable[str] = (), without: Iterable[str] = (), beside: Iterable[Path] = ()
) -> Registry:
    """The registry, with the files and names given before the verb and after it, and the files beside an experiment."""
    from modrack_registry.registry import load_registry

    before: Mapping[str, Any] = ctx.find_root().params
    files = [*before.get("plugin", ()), *plugin]
    return load_registry(list(dict.fromkeys(files)), [*before.get("without", ()), *without], beside)


def load_others(given: Mapping[str, Any]) -> Registry | None:
    """The registry without the built-in plugin, whence more commands come; None where there is no other plugin."""
    from modrack_registry.discovery import GROUP, find_sources, load_plugins

    sources = [source for source in find_sources(given.get("plugin") or ()) if source.plugin != GROUP]
    if not sources:
        return None
    from modrack_registry.registry import Registry

    return Registry(load_plugins(sources, given.get("without") or ()))


def home_flag(function: Function) -> Function:
    """Give a command `--home FOLDER`."""
    help_text = "Where runs are kept (MODRACK_HOME, or ./modrack-runs)."
    return click.option("--home", metavar="FOLDER", type=click.Path(path_type=Path), help=help_text)(function)
