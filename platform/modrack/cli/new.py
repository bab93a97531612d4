"""`modrack new`: the first version of a part, or of a plugin with a part of each kind."""

from __future__ import annotations

import os
from pathlib import Path

import click

from modrack.cli.rack import debug_flag


@click.command("new")
@click.argument("kind")
@click.argument("name")
@click.option("--into", type=click.Path(path_type=Path), default=Path(), metavar="FOLDER", help="Where to write it.")
@debug_flag
def command(kind: str, name: str, into: Path) -> None:
    """Write a working part of a KIND, commented where you have a choice; or, as `new plugin NAME`, a distribution.

    \b
    modrack new model my-net
    modrack new plugin modrack-audio
    """
    from modrack.scaffold.writing import write_component, write_distribution

    if kind == "plugin":
        files = write_distribution(name, into)
        top = os.path.relpath(files[0].parent)
        click.echo("\n".join(f"wrote {os.path.relpath(file)}" for file in files))
        click.echo(f"\nNext:\n  pip install ./{top}\n  modrack list --plugin {name}\n  modrack check ./{top}")
        return
    file = os.path.relpath(write_component(kind, name, into))
    click.echo(f"wrote {file}")
    click.echo(f"\nNext:\n  modrack check {file}\n  modrack show {kind} {name} --plugin {file}")
    if kind in ("model", "optimizer", "scheduler", "metric", "callback", "dataset", "task"):
        click.echo(f"  modrack train --plugin {file} --{kind} {name}")
