"""`modrack runs gc`."""

from __future__ import annotations

from pathlib import Path

import click

from modrack.cli.rack import debug_flag, home_flag, json_flag
from modrack.cli.text import as_json
from modrack_registry.errors import UserError
from modrack_registry.store.filter.operands import span


@click.command("gc")
@click.option("--older-than", default="30d", show_default=True, metavar="AGE", help="How long ago they were removed.")
@click.option("--dry-run", is_flag=True, help="Say which ones; delete nothing.")
@json_flag
@home_flag
@debug_flag
def command(older_than: str, dry_run: bool, json_: bool, home: Path | None) -> None:
    """Delete removed runs for good, with their folders: weights, pictures, everything.

    \b
    modrack runs gc --older-than 30d
    modrack runs gc --older-than 0s --dry-run
    """
    from modrack_registry.store import open_store

    age = span(older_than)
    if age is None:
        raise UserError(f"--older-than {older_than}: no length of time.", "Say it as 30d, 12h or 1h30m.")
    done = open_store(home).collect(age, only_count=dry_run)
    if json_:
        click.echo(as_json(done))
    else:
        what = "would be deleted" if dry_run else "deleted for good"
        click.echo(f"{len(done)} runs {what}{': ' + ', '.join(map(str, done)) if done else ''}.")
