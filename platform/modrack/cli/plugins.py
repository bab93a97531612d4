"""`modrack plugins`: what was found, what came of loading it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import click

from modrack.cli.rack import json_flag, load, loading_flags
from modrack.cli.text import as_json, cell, clean, columns
from modrack_registry.discovery import ALLOWED, GROUP, Plugin, allowed_plugins, find_sources
from modrack_registry.registry import Registry
from modrack_registry.suggest import did_you_mean

# An import that takes longer, in seconds, is felt at every command.
SLOW = 0.5
FIELDS = ("name", "version", "origin", "location", "components", "seconds", "heavy", "digest", "error", "errors")


@click.command("plugins")
@json_flag
@click.option("--freeze", is_flag=True, help="Print lines for a requirements file.")
@loading_flags
@click.pass_context
def command(ctx: click.Context, json_: bool, freeze: bool, plugin: tuple[str, ...], without: tuple[str, ...]) -> None:
    """List the plugins: name, version, origin, components, import time; broken ones with the reason.

    \b
    modrack plugins
    modrack plugins --freeze > requirements.txt
    """
    registry = load(ctx, plugin, without)
    _call_hooks(registry)
    plugins = registry.plugins
    if freeze:
        click.echo("\n".join(map(_requirement, plugins)))
    elif json_:
        click.echo(as_json([{name: getattr(each, name) for name in FIELDS} for each in plugins]))
    else:
        click.echo("\n".join([*_table(plugins), *_remarks(plugins)]))
        for line in _left_out(plugins):
            click.echo(line, err=True)


def _call_hooks(registry: Registry) -> None:
    """Have those hooks called that can be at any time: what is wrong with them must show here, and not in a run."""
    from modrack.cli.brought import brought
    from modrack.cli.verbs import VERBS

    registry.defaults()
    brought(registry, VERBS)


def _requirement(plugin: Plugin) -> str:
    if plugin.origin == "file":
        return f"# file {cell(plugin.location)} sha256:{plugin.digest}"
    return plugin.name if plugin.version is None else f"{plugin.name}=={plugin.version}"


def _table(plugins: Iterable[Plugin]) -> list[str]:
    rows = [("plugin", "version", "from", "parts", "import")]
    for each in plugins:
        origin = "package" if each.origin == "package" else each.location
        rows.append(
            (each.name, each.version or "-", origin, str(each.components), f"{1000 * each.seconds:,.0f} ms"),
        )
    return columns(rows)


def _remarks(plugins: Sequence[Plugin]) -> list[str]:
    """What is to be said of single plugins: a line a reason."""
    lines = [f"{clean(each.name)} is broken: {cell(reason)}" for each in plugins for reason in each.errors]
    for each in plugins:
        brings = f" (it imports {', '.join(each.heavy)})" if each.heavy else ""
        if each.seconds > SLOW or each.heavy:
            lines.append(
                f"{clean(each.name)} is slow: each command waits {each.seconds:.1f} s for its import{brings}; "
                "its author can move imports into the functions that need them"
            )
    return lines


def _left_out(plugins: Sequence[Plugin]) -> list[str]:
    """What is installed and was not loaded, and names in MODRACK_PLUGINS that are nobody's."""
    here = {source.plugin for source in find_sources()}
    out = sorted(here - {each.name for each in plugins})
    lines = [f"left out: {', '.join(map(clean, out))}"] if out else []
    known = here | {each.name for each in plugins}
    return lines + [
        f"{ALLOWED} names {clean(name)}, which is not installed. {did_you_mean(name, known)}"
        for name in sorted((allowed_plugins() or set()) - known - {GROUP})
    ]
