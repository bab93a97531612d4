"""`modrack runs note`."""

from __future__ import annotations

from pathlib import Path

import click

from modrack.cli.rack import debug_flag, home_flag


@click.command("note")
@click.argument("run")
@click.argument("text")
@home_flag
@debug_flag
def command(run: str, text: str, home: Path | None) -> None:
    """Write TEXT on RUN, in place of what was written there; an empty one takes it away.

    \b
    modrack runs note 12 "learning rate too high, see 15"
    """
    from modrack_registry.store import open_store

    store = open_store(home)
    store.note(store.find(run).id, text)
