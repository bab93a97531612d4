"""`modrack db move`."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import click

from modrack.cli.rack import debug_flag, home_flag, json_flag
from modrack.cli.text import as_json, clean, columns


@click.command("move")
@click.argument("url")
@json_flag
@home_flag
@debug_flag
def command(url: str, json_: bool, home: Path | None) -> None:
    """Copy the database into the empty one at URL, and prove that each table is the same.

    The one it was copied from stays as it is, and the runs' folders where they are: set MODRACK_DB to use the copy.

    \b
    modrack db move postgresql+psycopg://me@host/runs
    modrack db move sqlite:////home/me/runs.db
    """
    from modrack_registry.store import open_store
    from modrack_registry.store.database import Database
    from modrack_registry.store.move import move

    source, target = open_store(home).database, Database(url, option="URL")
    alive = sys.stderr.isatty() and not json_
    done = move(source, target, report=lambda table: click.echo(f"{table} …", err=True) if alive else None)
    tables = {name: {"rows": found.rows, "checksum": found.checksum} for name, found in done.items()}
    if json_:
        click.echo(as_json({"from": source.url_shown, "to": target.url_shown, "tables": tables}))
        return
    rows = [(name, f"{found.rows:,} rows", f"checksum {found.checksum[:12]}") for name, found in done.items()]
    click.echo(f"Copied {clean(source.place)} to {clean(target.place)}; each table has the same rows:")
    click.echo("\n".join(columns(rows, indent="  ")))
    click.echo(f"To use it: export MODRACK_DB={shlex.quote(clean(target.url_shown))}")
