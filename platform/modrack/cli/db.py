"""`modrack db`: the database of runs as a whole."""

from __future__ import annotations

import click

from modrack.cli.lazy import LazyGroup

VERBS = {
    "info": ("modrack.cli.db_info", "Where it is, how large, what is in it."),
    "check": ("modrack.cli.db_check", "Look for what is damaged or missing; 1 if anything is."),
    "backup": ("modrack.cli.db_backup", "Copy it to a file, also while runs write it."),
    "upgrade": ("modrack.cli.db_upgrade", "Bring an older one to the tables of this modrack."),
    "move": ("modrack.cli.db_move", "Copy it into another database, and prove it."),
    "recover": ("modrack.cli.db_recover", "Bring in what runs kept beside them while it failed."),
    "views": ("modrack.cli.db_views", "Write SQL views into it, for other programs."),
}


@click.group("db", cls=LazyGroup, verbs=VERBS)
def command() -> None:
    """Keep the database of runs whole.

    \b
    modrack db info
    modrack db backup runs-2026-01.db
    modrack db move postgresql+psycopg://me@host/runs
    """
