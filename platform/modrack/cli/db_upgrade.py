"""`modrack db upgrade`."""

from __future__ import annotations

from pathlib import Path

import click

from modrack.cli.rack import debug_flag, home_flag, json_flag
from modrack.cli.text import as_json, clean


@click.command("upgrade")
@json_flag
@home_flag
@debug_flag
def command(json_: bool, home: Path | None) -> None:
    """Bring an older database to the tables of this modrack.

    A SQLite file is upgraded by whatever opens it, after a backup beside it; PostgreSQL by this command alone: make a
    backup first (pg_dump), and end what writes it.

    \b
    modrack db upgrade
    """
    from modrack_registry.store import open_store

    database = open_store(home).database
    before = database.schema
    after, backup = before, None
    if before is not None and before != database.revisions.head:
        from modrack_registry.store.migrate import upgrade

        done = upgrade(database)
        after = database.revisions.head
        backup = done.backup if done is not None else None
    if json_:
        click.echo(as_json({"database": database.place, "before": before, "after": after, "backup": backup}))
    elif before is None:
        click.echo(f"There is nothing in {clean(database.place)} yet.")
    elif before == after:
        click.echo(f"{clean(database.place)} has schema {after} already.")
    else:
        click.echo(f"{clean(database.place)} has schema {after} now; it had {before}.")
