"""`modrack db check`."""

from __future__ import annotations

from dataclasses import asdict
from itertools import groupby
from pathlib import Path

import click

from modrack.cli.rack import debug_flag, home_flag, json_flag
from modrack.cli.text import as_json, clean


@click.command("check")
@json_flag
@home_flag
@debug_flag
def command(json_: bool, home: Path | None) -> int:
    """Look for what is damaged or missing, in the database and beside it; the exit code is 1 if anything is.

    \b
    modrack db check
    """
    from modrack_registry.store import open_store
    from modrack_registry.store.check import check

    store = open_store(home)
    found = list(check(store))
    if json_:
        click.echo(as_json([asdict(each) for each in found]))
    elif not found:
        click.echo(f"{clean(store.database.place)}: nothing is wrong.")
    else:
        for hint, same in groupby(sorted(found, key=lambda each: each.hint), key=lambda each: each.hint):
            click.echo("\n".join([*(clean(each.what) for each in same), f"  {clean(hint)}"]))
    return 1 if found else 0
