"""`modrack runs list`."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from modrack.cli.rack import debug_flag, home_flag, json_flag
from modrack.cli.text import as_json, cell, columns, duration, number
from modrack_registry.errors import UserError

KEYS = ("id", "name", "status", "model", "dataset", "optimizer", "task", "params", "metrics", "started", "seconds")
MOST_METRICS = 3
# What fits a person's eye; --limit says otherwise.
PAGE = 50


@click.command("list", context_settings={"ignore_unknown_options": True})
@click.argument("filters", nargs=-1, type=click.UNPROCESSED, metavar="[FILTER]...")
@click.option("--sort", "order", multiple=True, metavar="KEY", help="By this; greatest first as -KEY (repeatable).")
@click.option("--columns", "shown", metavar="KEY,KEY…", help="Which columns: attributes, options, metrics.")
@click.option(
    "--limit", type=click.IntRange(min=0), metavar="N", help=f"How many; 0 for all. Else {PAGE}, all as JSON."
)
@click.option("--removed", is_flag=True, help="Those that `runs rm` took away.")
@click.option("--explain", is_flag=True, help="How the filter was read, and the SQL; list nothing.")
@json_flag
@home_flag
@debug_flag
def command(
    filters: tuple[str, ...],
    order: tuple[str, ...],
    shown: str | None,
    limit: int | None,
    removed: bool,
    explain: bool,
    json_: bool,
    home: Path | None,
) -> None:
    """List runs, the newest first; those that FILTER fits. `docs/runs.md` tells all that a filter can say.

    \b
    modrack runs list
    modrack runs list 'model=cnn lr<0.01 test.accuracy>0.9 started>2d -tag:debug' --sort -test.accuracy
    modrack runs list lr=0.001..0.01 --columns id,lr,test.accuracy@max
    """
    from modrack_registry.store import open_store

    store = open_store(home)
    most = (None if json_ else PAGE) if limit is None else limit or None
    try:
        keys = [key.strip() for word in order for key in word.split(",") if key.strip()]
        query = store.runs(" ".join(filters)).sort(*keys)
        query = query if most is None else query.limit(most)
        if explain:
            click.echo(query.explain())
            return
        if removed:
            _print_runs(store.removed(), "No run was removed.", json_)
        elif shown:
            chosen = [key.strip() for key in shown.split(",") if key.strip()]
            _print_chosen(query.columns(*chosen).to_list(), chosen, json_)
        else:
            none = "No run fits." if filters else "There is no run yet: modrack train makes one."
            _print_runs(list(query), none, json_)
        if not json_ and not removed and most is not None and query.count() > most:
            click.echo(f"{query.count() - most:,} more: --limit 0 lists all, a filter finds some.", err=True)
    except UserError as error:
        taken = _taken_by_the_shell()
        if taken:
            hint = f"The shell took >{taken} for a file to write: put the filter in quotes."
            raise UserError(error.message, hint) from None
        raise


def _print_chosen(rows: list[dict[str, Any]], chosen: list[str], json_: bool) -> None:
    if json_:
        click.echo(as_json(rows))
    else:
        _print_table([tuple(chosen), *(tuple(_cell(row[key]) for key in chosen) for row in rows)])


def _print_runs(found: list[Any], none: str, json_: bool) -> None:
    if json_:
        records = [run.as_dict() for run in found]
        click.echo(as_json([{key: record.get(key) for key in KEYS} for record in records]))
    elif not found:
        click.echo(none, err=True)
    else:
        _print_table(_table(found))


def _print_table(rows: list[tuple[str, ...]]) -> None:
    if sys.stdout.isatty():
        _draw(rows)
    else:
        click.echo("\n".join(columns(rows)))


def _taken_by_the_shell() -> str | None:
    """The name of the file that stdout goes to, where it looks like the right side of a comparison."""
    try:
        name = os.path.basename(os.readlink("/proc/self/fd/1"))
    except OSError:
        return None
    return name if re.fullmatch(r"=?[\d.]+\w*", name) else None


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return number(value)
    if isinstance(value, (list, tuple)):
        return ",".join(map(str, value))
    if hasattr(value, "astimezone"):
        return f"{value.astimezone():%Y-%m-%d %H:%M}"
    return cell(value)


def _table(found: Sequence[Any]) -> list[tuple[str, ...]]:
    named = any(run.name for run in found)
    names = dict.fromkeys(name for run in found for name in run.metrics if name.startswith("test."))
    metrics = sorted(names, key=lambda name: name == "test.loss")[:MOST_METRICS]
    head = ("run", *(("name",) if named else ()), "status", "model", "dataset", *metrics, "time", "started")
    rows = [
        (
            str(run.id),
            *((cell(run.name or ""),) if named else ()),
            cell(run.status),
            cell(run.model or ""),
            cell(run.dataset or ""),
            *(number(run.metrics[name]) if name in run.metrics else "" for name in metrics),
            duration(run.seconds),
            f"{run.started.astimezone():%Y-%m-%d %H:%M}" if run.started else "",
        )
        for run in found
    ]
    return [head, *rows]


def _draw(rows: list[tuple[str, ...]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for index, name in enumerate(rows[0]):
        numeric = index == 0 or "." in name or name == "time"
        table.add_column(Text(name), justify="right" if numeric else "left", no_wrap=True)
    styles = {"failed": "red", "interrupted": "yellow", "running": "cyan", "lost": "red"}
    for row in rows[1:]:
        table.add_row(*(Text(text, style=styles.get(text, "")) for text in row))
    Console().print(table)
