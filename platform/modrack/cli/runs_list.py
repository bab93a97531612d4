"""`modrack runs list`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from modrack.cli.rack import debug_flag, home_flag, json_flag
from modrack.cli.text import as_json, cell, columns, duration, number

KEYS = ("id", "name", "status", "model", "dataset", "optimizer", "task", "params", "metrics", "started", "seconds")
MOST_METRICS = 3


@click.command("list", context_settings={"ignore_unknown_options": True})
@click.argument("filters", nargs=-1, type=click.UNPROCESSED, metavar="[FILTER]...")
@json_flag
@home_flag
@debug_flag
def command(filters: tuple[str, ...], json_: bool, home: Path | None) -> None:
    """List runs, the newest first; those that FILTER fits.

    \b
    modrack runs list
    modrack runs list model=cnn 'test.accuracy>0.9'
    """
    from modrack_registry.store import open_store

    found = list(open_store(home).runs(" ".join(filters) or None))
    if json_:
        records = [run.as_dict() for run in found]
        click.echo(as_json([{key: record.get(key) for key in KEYS} for record in records]))
    elif not found:
        click.echo("No run fits." if filters else "There is no run yet: modrack train makes one.", err=True)
    elif sys.stdout.isatty():
        _draw(_table(found))
    else:
        click.echo("\n".join(columns(_table(found))))


def _table(found: list[Any]) -> list[tuple[str, ...]]:
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
