"""`modrack runs sql`."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import click

from modrack.cli.rack import debug_flag, home_flag, json_flag
from modrack.cli.text import as_json, cell, columns, number

PAGE = 1000


@click.command("sql")
@click.argument("sql", default="")
@click.option("--csv", "csv_", is_flag=True, help="As csv.")
@click.option(
    "--timeout", type=click.FloatRange(min=0.01), default=30.0, show_default=True, help="Seconds it may take."
)
@click.option("--limit", type=click.IntRange(min=0), metavar="N", help=f"Rows; 0 for all. Else {PAGE}, all as data.")
@json_flag
@home_flag
@debug_flag
def command(sql: str, csv_: bool, timeout: float, limit: int | None, json_: bool, home: Path | None) -> None:
    """Ask in SQL, read-only. Without SQL: the views and their columns.

    \b
    modrack runs sql "select model, max(test_accuracy) from v_runs group by model"
    modrack runs sql "select * from v_points where run = 12 and name = 'train.loss'" --csv
    """
    from modrack_registry.store import open_store
    from modrack_registry.store.ask import ask
    from modrack_registry.store.views import VIEWS

    database = open_store(home).database
    if not sql.strip():
        found = {view: ask(database, f"select * from {view} limit 0").columns for view in VIEWS}
        click.echo(as_json(found) if json_ else "\n".join(columns((view, ", ".join(found[view])) for view in VIEWS)))
        return
    most = (None if json_ or csv_ else PAGE) if limit is None else limit or None
    answer = ask(database, sql, seconds=timeout, most=most)
    if json_:
        click.echo(as_json([dict(zip(answer.columns, row, strict=True)) for row in answer.rows]))
    elif csv_:
        text = io.StringIO()
        csv.writer(text).writerows([answer.columns, *answer.rows])
        click.echo(text.getvalue(), nl=False)
    else:
        click.echo("\n".join(columns([answer.columns, *([_cell(value) for value in row] for row in answer.rows)])))
        if answer.more:
            click.echo(f"and more: --limit 0 shows all rows, not {most}.", err=True)


def _cell(value: Any) -> str:
    return "" if value is None else number(value) if isinstance(value, float) else cell(value)
