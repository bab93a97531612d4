"""`modrack list`: what parts there are."""

from __future__ import annotations

from collections import Counter
from typing import Any

import click

from modrack.cli.rack import debug_flag, json_flag, load
from modrack.cli.text import as_json, bold, columns
from modrack_registry.component import Component
from modrack_registry.errors import UserError
from modrack_registry.registry import Registry
from modrack_registry.suggest import did_you_mean


@click.command("list")
@click.argument("kind", required=False)
@click.argument("glob", required=False)
@click.option("--plugin", multiple=True, metavar="NAME|FILE", help="Only the parts of this plugin (repeatable).")
@click.option("--without", multiple=True, metavar="NAME", help="Leave this plugin out (repeatable).")
@json_flag
@debug_flag
@click.pass_context
def command(
    ctx: click.Context,
    kind: str | None,
    glob: str | None,
    plugin: tuple[str, ...],
    without: tuple[str, ...],
    json_: bool,
) -> None:
    """List the parts there are: all, those of a KIND, those whose name fits GLOB.

    \b
    modrack list
    modrack list model
    modrack list model '*bert*' --json
    """
    files = [name for name in plugin if name.endswith(".py")]
    registry = load(ctx, files, without)
    if kind is not None and glob is None and kind not in registry.kinds and set(kind) & set("*?[/"):
        kind, glob = None, kind
    wanted = [name.rpartition("/")[2].removesuffix(".py") if name in files else name for name in plugin]
    found = [each for each in registry.components(kind, glob) if not wanted or each.plugin in wanted]
    _check_plugins(registry, wanted)
    if json_:
        click.echo(as_json([describe(each) for each in found]))
        return
    _print(registry, found)
    if not found:
        click.echo("Nothing fits.", err=True)
    for broken in registry.broken:
        click.echo(f"Plugin {broken.name} is broken: {broken.error}", err=True)


def describe(component: Component) -> dict[str, Any]:
    """A component for `--json`."""
    try:
        options = [option.describe() for option in component.options.values()]
        mistakes: list[str] = []
    except UserError as error:
        options, mistakes = [], [mistake.message for mistake in error.mistakes]
    return {
        "kind": component.kind.name,
        "name": component.name,
        "full": component.full,
        "plugin": component.plugin,
        "version": component.version,
        "summary": component.summary,
        **{fact: list(value) if isinstance(value, tuple) else value for fact, value in component.facts.items()},
        "options": options,
        **({"mistakes": mistakes} if mistakes else {}),
    }


def _check_plugins(registry: Registry, wanted: list[str]) -> None:
    names = {plugin.name for plugin in registry.plugins}
    unknown = [name for name in wanted if name not in names]
    if unknown:
        raise UserError.collect(
            UserError(f"--plugin {name}: no plugin has this name.", did_you_mean(name, names)) for name in unknown
        )


def _print(registry: Registry, found: list[Component]) -> None:
    count = Counter((each.kind.name, each.name) for each in found)
    several = len({each.plugin for each in found}) > 1
    rows: dict[str, list[tuple[str, ...]]] = {}
    for each in found:
        name = each.full if count[each.kind.name, each.name] > 1 else each.name
        origin = (each.plugin,) if several else ()
        rows.setdefault(each.kind.name, []).append((name, *origin, each.summary))
    blocks = [
        "\n".join([f"{bold(kind)}  {registry.kinds[kind].summary}", *columns(rows[kind], indent="  ")]) for kind in rows
    ]
    if blocks:
        click.echo("\n\n".join(blocks))
