"""`modrack runs import`."""

from __future__ import annotations

from pathlib import Path

import click

from modrack.cli.rack import debug_flag, home_flag, json_flag
from modrack.cli.text import as_json


@click.command("import")
@click.argument("source", type=click.Choice(["mlflow", "tensorboard"]))
@click.argument("place", type=click.Path(path_type=Path), metavar="FILE|FOLDER")
@json_flag
@home_flag
@debug_flag
def command(source: str, place: Path, json_: bool, home: Path | None) -> None:
    """Bring in runs that another program recorded: options, metrics with all points, tags, times, how they ended.

    What was brought in before is left out, so the same place can be imported again later.

    \b
    modrack runs import mlflow mlflow.db
    modrack runs import tensorboard lightning_logs
    """
    from modrack.records.importing import bring_in
    from modrack_registry.store import open_store

    made, known = bring_in(source, place, open_store(home))
    if json_:
        click.echo(as_json({"imported": made, "known": known}))
    else:
        before = f"; {known} were there already" if known else ""
        click.echo(f"{len(made)} runs imported{before}.")
