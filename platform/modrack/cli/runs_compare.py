"""`modrack runs compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from modrack.cli.rack import debug_flag, home_flag, json_flag
from modrack.cli.text import as_json, bold, cell, columns, number
from modrack_registry.errors import UserError


@click.command("compare")
@click.argument("runs", nargs=-1, required=True, metavar="RUN RUN...")
@json_flag
@home_flag
@debug_flag
def command(runs: tuple[str, ...], json_: bool, home: Path | None) -> None:
    """What differs between runs, and nothing else: options, then metrics, the best one marked with *.

    \b
    modrack runs compare 12 15 18
    modrack runs compare @last @best:test.accuracy
    """
    from modrack_registry.store import open_store
    from modrack_registry.store.compare import compare

    store = open_store(home)
    found = list({run.id: run for run in map(store.find, runs)}.values())
    if len(found) < 2:
        raise UserError("There is nothing to compare.", "Name two runs or more: modrack runs compare 12 15")
    compared = compare(found, store.better())
    if json_:
        click.echo(as_json(compared.as_dict()))
        return
    said = "No option differs" if not compared.params else f"{compared.same} options are the same"
    click.echo("\n".join([*_aligned(compared), "", f"{said}; `modrack runs diff` also compares code and packages."]))


def _aligned(compared: Any) -> list[str]:
    """Both sections under one head, so that a run is one column from top to bottom."""
    rows: list[tuple[str, ...]] = [("", *(f"run {run}" for run in compared.runs))]
    places: dict[int, str] = {}
    for title, section in (("options", compared.params), ("metrics", compared.metrics)):
        if section:
            places[len(rows)] = title
        for row in section:
            marked = (f"{_value(value)}{' *' if place in row.best else ''}" for place, value in enumerate(row.values))
            rows.append((f"  {row.name}", *marked))
    # `columns` strips cells: the indent of names is put back by hand.
    lines = columns([(row[0].strip(), *row[1:]) for row in rows], indent="  ")
    made: list[str] = []
    for index, line in enumerate(lines):
        if index in places:
            made.append(bold(places[index]))
        made.append(line)
    return made


def _value(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return number(value) if value != int(value or 0) or abs(value) < 1 else f"{value:g}"
    if isinstance(value, (list, tuple)):
        return ",".join(map(str, value))
    return cell(value)
