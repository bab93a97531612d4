"""`modrack list`: what parts there are."""

from __future__ import annotations

from collections import Counter
from typing import Any

import click

from modrack.cli.rack import debug_flag, json_flag, load
from modrack.cli.text import as_json, bold, columns
from modrack.data.sorts import INPUTS
from modrack_registry.component import Component
from modrack_registry.errors import UserError
from modrack_registry.family import Member, Offer
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

    A library with many parts takes one line, as timm/*; a GLOB that begins so lists them.

    \b
    modrack list
    modrack list model
    modrack list model '*bert*' --json
    modrack list model 'timm/*resnext*'
    """
    files = [name for name in plugin if name.endswith(".py")]
    registry = load(ctx, files, without)
    if kind is not None and glob is None and kind not in registry.kinds and set(kind) & set("*?[/"):
        kind, glob = None, kind
    wanted = [name.rpartition("/")[2].removesuffix(".py") if name in files else name for name in plugin]
    found = [each for each in registry.listing(kind, glob) if not wanted or each.plugin in wanted]
    families = [] if glob else [o for o in registry.families.of(kind) if not wanted or o.plugin.name in wanted]
    _check_plugins(registry, wanted)
    if json_:
        click.echo(as_json([describe(each) for each in found]))
        return
    _print(registry, found, families, facts=kind == "task")
    if not found and not families:
        click.echo("Nothing fits.", err=True)
    for broken in registry.broken:
        click.echo(f"Plugin {broken.name} is broken: {broken.error}", err=True)


def describe(component: Component | Member) -> dict[str, Any]:
    """A component for `--json`; what one of a family has besides its name is known when it is made, and left out."""
    if isinstance(component, Member):
        about = {name: getattr(component, name) for name in ("name", "full", "plugin", "version", "summary")}
        return {"kind": component.kind.name, **about}
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


def _print(registry: Registry, found: list[Component | Member], families: list[Offer], *, facts: bool) -> None:
    """`facts`: with a column of the data that each can do with."""
    often = Counter((each.kind.name, each.name) for each in found)
    several = len({each.plugin for each in found} | {offer.plugin.name for offer in families}) > 1
    rows: dict[str, list[tuple[str, ...]]] = {}
    for each in found:
        name = each.full if often[each.kind.name, each.name] > 1 else each.name
        origin = (each.plugin,) if several else ()
        rows.setdefault(each.kind.name, []).append((name, *origin, *_fits(each, facts), each.summary))
    for offer in families:
        origin = (offer.plugin.name,) if several else ()
        rows.setdefault(offer.kind.name, []).append((offer.label, *origin, *([""] if facts else []), _contents(offer)))
    blocks = [
        "\n".join([f"{bold(kind)}  {registry.kinds[kind].summary}", *columns(rows[kind], indent="  ")])
        for kind in registry.kinds
        if kind in rows
    ]
    if blocks:
        click.echo("\n\n".join(blocks))


def _fits(each: Component | Member, facts: bool) -> tuple[str, ...]:
    """The data a task is for, as `image, text → class`; without an arrow where it wants no target."""
    if not facts:
        return ()
    said = {} if isinstance(each, Member) else each.facts
    takes, target = (said.get(fact) or () for fact in ("takes", "target"))
    inputs = "any" if set(INPUTS) <= set(takes) else ", ".join(takes)
    targets = ", ".join(name for name in target if name != "none")
    return (f"{inputs} → {targets}" if targets else inputs,)


def _contents(offer: Offer) -> str:
    """What a family holds; how many, where that is known without importing its library."""
    if offer.missing:
        return f"not installed: {offer.pip}"
    count = "" if offer.known is None else f"{len(offer.known):,} "
    source = f"{offer.family.library} {offer.release}" if offer.family.library else offer.plugin.name
    return f"{count}{offer.kind.name}s of {source}: modrack list {offer.kind.name} '{offer.label}'"
