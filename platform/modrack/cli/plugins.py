"""`modrack plugins`: what was found, what came of loading it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import click

from modrack.cli.rack import json_flag, load, loading_flags
from modrack.cli.text import as_json, clean, columns


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
    plugins = load(ctx, plugin, without).plugins
    if freeze:
        for each in plugins:
            if each.origin == "package":
                click.echo(f"{each.name}=={each.version}")
            else:
                digest = hashlib.sha256(Path(each.location).read_bytes()).hexdigest()
                click.echo(f"# file {clean(each.location)} sha256:{digest}")
    elif json_:
        names = ("name", "version", "origin", "location", "components", "seconds", "error")
        click.echo(as_json([{name: getattr(each, name) for name in names} for each in plugins]))
    else:
        rows = [("plugin", "version", "from", "parts", "import")]
        rows += [
            (
                each.name,
                each.version or "-",
                "package" if each.origin == "package" else each.location,
                str(each.components),
                f"{1000 * each.seconds:.0f} ms",
            )
            for each in plugins
        ]
        click.echo("\n".join(columns(rows)))
        for each in plugins:
            if each.error:
                click.echo(f"{clean(each.name)} is broken: {clean(each.error)}")
