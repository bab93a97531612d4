"""`modrack runs restore`."""

from __future__ import annotations

from pathlib import Path

import click

from modrack.cli.rack import debug_flag, home_flag


@click.command("restore")
@click.argument("runs", nargs=-1, required=True, type=click.IntRange(min=1), metavar="RUN...")
@home_flag
@debug_flag
def command(runs: tuple[int, ...], home: Path | None) -> None:
    """Bring removed runs back.

    \b
    modrack runs list --removed
    modrack runs restore 12
    """
    from modrack_registry.store import open_store

    store = open_store(home)
    for run in runs:
        store.restore(run)
    click.echo(f"Restored {', '.join(map(str, runs))}.")
