"""`modrack show`: one part, and what can be chosen about it."""

from __future__ import annotations

import os

import click

from modrack.cli.list import describe
from modrack.cli.rack import json_flag, load, loading_flags
from modrack.cli.text import as_json, bold, cell, clean, columns
from modrack_registry.component import Component
from modrack_registry.errors import UserError
from modrack_registry.options import Option


@click.command("show")
@click.argument("kind")
@click.argument("name")
@json_flag
@loading_flags
@click.pass_context
def command(
    ctx: click.Context, kind: str, name: str, json_: bool, plugin: tuple[str, ...], without: tuple[str, ...]
) -> None:
    """Show the part NAME of a KIND: what it is, its options, where it is written.

    \b
    modrack show model cnn
    modrack show optimizer adamw --json
    """
    component = load(ctx, plugin, without).find(kind, name)
    if json_:
        click.echo(as_json({**describe(component), "doc": component.doc, "file": component.file}))
        return
    click.echo(_page(component))


def _page(component: Component) -> str:
    facts = [
        (fact, " or ".join(map(str, value)) if isinstance(value, tuple) else value)
        for fact, value in component.facts.items()
    ]
    version = f" {component.version}" if component.version else ""
    head = [f"{bold(component.kind.name + ' ' + component.name)}  {cell(component.summary)}"]
    rest = clean(component.doc).partition("\n")[2].strip()
    if rest:
        head += ["", *(f"  {line}".rstrip() for line in rest.splitlines())]
    place = component.file
    if place.startswith(os.getcwd() + os.sep):
        place = os.path.relpath(place)
    about = columns([*facts, ("plugin", f"{component.plugin}{version}"), ("written in", place)], indent="  ")
    try:
        options = list(component.options.values())
    except UserError as error:
        return "\n".join([*head, "", *about, "", *map(clean, error.lines)])
    table = columns([_row(component, option) for option in options], indent="  ")
    return "\n".join([*head, "", *about, "", bold("options") if options else "It has no options.", *table])


def _row(component: Component, option: Option) -> tuple[str, str, str, str]:
    middle = f".{component.name}" if component.kind.many else ""
    default = "required" if option.required else f"= {_value(option.default)}"
    return f"{component.kind.name}{middle}.{option.name}", option.label, default, option.help


def _value(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return ",".join(map(_value, value)) or '""'
    return f'"{value}"' if value == "" else str(value)
