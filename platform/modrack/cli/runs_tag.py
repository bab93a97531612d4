"""`modrack runs tag`."""

from __future__ import annotations

from pathlib import Path

import click

from modrack.cli.rack import debug_flag, home_flag


@click.command("tag", context_settings={"ignore_unknown_options": True})
@click.argument("run")
@click.argument("tags", nargs=-1, required=True, type=click.UNPROCESSED, metavar="TAG...")
@home_flag
@debug_flag
def command(run: str, tags: tuple[str, ...], home: Path | None) -> None:
    """Put words on RUN to find it by; a word with `-` before it is taken off.

    \b
    modrack runs tag 12 baseline paper
    modrack runs tag 12 -debug
    modrack runs list tag:baseline
    """
    from modrack_registry.store import open_store

    store = open_store(home)
    found = store.find(run)
    store.tag(
        found.id,
        add=[tag for tag in tags if not tag.startswith("-")],
        remove=[tag[1:] for tag in tags if tag.startswith("-")],
    )
    click.echo(f"Run {found.id}: {', '.join(store.get(found.id).tags) or 'no tags'}")
