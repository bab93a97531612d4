"""`modrack db recover`."""

from __future__ import annotations

from pathlib import Path

import click

from modrack.cli.rack import debug_flag, home_flag, json_flag
from modrack.cli.text import as_json


@click.command("recover")
@json_flag
@home_flag
@debug_flag
def command(json_: bool, home: Path | None) -> None:
    """Bring in what runs kept in their folders while the database was locked, full or gone.

    A run that goes on does it by itself.

    \b
    modrack db recover
    """
    from modrack_registry.store import open_store

    done = open_store(home).recover()
    if json_:
        click.echo(as_json({"runs": done}))
    elif not done:
        click.echo("Nothing waits.")
    else:
        click.echo("\n".join(f"Run {run}: {count:,} records brought in." for run, count in done.items()))
