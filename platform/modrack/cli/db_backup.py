"""`modrack db backup`."""

from __future__ import annotations

from pathlib import Path

import click

from modrack.cli.rack import debug_flag, home_flag, json_flag
from modrack.cli.text import as_json, clean
from modrack_registry.errors import UserError


@click.command("backup")
@click.argument("file", type=click.Path(path_type=Path))
@json_flag
@home_flag
@debug_flag
def command(file: Path, json_: bool, home: Path | None) -> None:
    """Copy the database to FILE, which must not be there yet; whole, also while runs write it.

    The runs' folders are not in it. To go back, put FILE in the place of runs.db.

    \b
    modrack db backup runs-2026-01.db
    """
    from modrack_registry.store import open_store
    from modrack_registry.store.backup import back_up

    store = open_store(home)
    if store.database.schema is None:  # raises for a file that is not ours; reading would upgrade an old one first
        raise UserError(f"There is nothing in {store.database.place} yet.", "modrack train makes the first run.")
    target = file.expanduser().absolute()
    back_up(store.database, target)
    size = target.stat().st_size
    if json_:
        click.echo(as_json({"database": store.database.place, "backup": str(target), "bytes": size}))
    else:
        click.echo(f"{clean(target)}: {size / 2**20:,.1f} MiB, checked.")
