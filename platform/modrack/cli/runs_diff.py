"""`modrack runs diff`."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import Any

import click

from modrack.cli.rack import debug_flag, home_flag, json_flag
from modrack.cli.text import as_json, bold, cell


@click.command("diff")
@click.argument("first")
@click.argument("second")
@json_flag
@home_flag
@debug_flag
def command(first: str, second: str, json_: bool, home: Path | None) -> None:
    """Why two runs differ: configuration, data, parts, code, packages, plan, machine. FIRST is -, SECOND is +.

    \b
    modrack runs diff 12 15
    """
    from modrack_registry.store import open_store
    from modrack_registry.store.compare import changes, code_difference

    store = open_store(home)
    before, after = store.find(first), store.find(second)
    found = changes(before, after)
    if json_:
        click.echo(as_json([vars(change) for change in found]))
        return
    if not found:
        click.echo(f"Runs {before.id} and {after.id} do not differ in anything that is kept of them.")
        return
    for section, group in groupby(found, key=lambda change: change.section):
        click.echo(bold(section))
        for change in group:
            if change.name == "uncommitted changes":
                click.echo("\n".join(f"  {cell(line)}" for line in code_difference(before, after)))
                continue
            click.echo(f"  {cell(change.name)}")
            for sign, value in (("-", change.before), ("+", change.after)):
                if value is not None:
                    click.echo(f"    {sign} {_value(value)}")


def _value(value: Any) -> str:
    text = str(value).lower() if isinstance(value, bool) else cell(value)
    return text if len(text) <= 200 else f"{text[:200]}…"
