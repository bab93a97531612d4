"""`modrack runs rm`."""

from __future__ import annotations

from pathlib import Path

import click

from modrack.cli.rack import debug_flag, home_flag


@click.command("rm")
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@home_flag
@debug_flag
def command(runs: tuple[str, ...], home: Path | None) -> None:
    """Take runs out of all lists. `runs restore` brings them back, until `runs gc` deletes them for good.

    \b
    modrack runs rm 12 13
    """
    from modrack_registry.store import open_store

    store = open_store(home)
    # All are looked up before any is removed: a wrong number in the middle changes nothing.
    numbers = [store.find(run).id for run in runs]
    for number in numbers:
        store.remove(number)
    click.echo(f"Removed {', '.join(map(str, numbers))}; modrack runs restore brings them back.")
