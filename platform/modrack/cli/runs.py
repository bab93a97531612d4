"""`modrack runs`: find past runs again."""

from __future__ import annotations

import click

from modrack.cli.lazy import LazyGroup

VERBS = {
    "list": ("modrack.cli.runs_list", "List runs, the newest first."),
    "show": ("modrack.cli.runs_show", "Show one run: what it was, how it ended."),
}


@click.group("runs", cls=LazyGroup, verbs=VERBS)
def command() -> None:
    """Find past runs again.

    \b
    modrack runs list
    modrack runs show 3
    """
