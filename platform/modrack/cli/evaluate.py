"""`modrack evaluate`: a trained model measured again, on its own data or on others."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from modrack.cli.rack import debug_flag, home_flag, json_flag
from modrack.cli.text import as_json, cell, columns, number

if TYPE_CHECKING:
    from modrack.runner.remeasure import Remeasured


@click.command("evaluate")
@click.argument("run", metavar="RUN")
@click.argument("words", nargs=-1, metavar="[PATH=VALUE]...")
@click.option("--dataset", metavar="NAME", help="Another dataset than the run's; its classes are matched by name.")
@click.option("--metric", multiple=True, metavar="NAME", help="Another metric than the run's (repeatable).")
@click.option(
    "--split", type=click.Choice(["train", "validation", "test"]), default="test", show_default=True, help="Which rows."
)
@click.option("--checkpoint", default="best", show_default=True, metavar="NAME", help="best, last, or step-00000500.")
@click.option("--plugin", multiple=True, metavar="FILE", help="Also load this plugin file (repeatable).")
@json_flag
@home_flag
@debug_flag
@click.pass_context
def command(
    ctx: click.Context,
    /,
    run: str,
    words: tuple[str, ...],
    dataset: str | None,
    metric: tuple[str, ...],
    split: str,
    checkpoint: str,
    plugin: tuple[str, ...],
    json_: bool,
    home: Path | None,
) -> None:
    """Measure the trained model of RUN, a number, @last or @best:METRIC. Nothing is recorded.

    \b
    modrack evaluate 3
    modrack evaluate 3 --split validation --metric f1 --metric confusion-matrix
    modrack evaluate 3 --dataset files dataset.path=new.csv
    modrack evaluate 5 task.beam=8
    """
    import sys

    from modrack.cli.quiet import hush

    hush(debug="--debug" in sys.argv)
    from modrack.runner.remeasure import remeasure
    from modrack_registry.store import open_store

    found = remeasure(
        open_store(home).find(run),
        dataset=dataset,
        metrics=metric,
        words=words,
        split=split,
        checkpoint=checkpoint,
        plugins=[*ctx.find_root().params.get("plugin", ()), *plugin],
    )
    for note in found.notes:
        click.echo(cell(note), err=True)
    click.echo(as_json(_object(found)) if json_ else "\n".join(_page(found)))


def _object(found: Remeasured) -> dict[str, Any]:
    names = ("run", "checkpoint", "dataset", "split", "rows")
    measured = {"metrics": found.measured.values, "tables": found.measured.tables}
    return {name: getattr(found, name) for name in names} | measured


def _page(found: Remeasured) -> list[str]:
    lines = [f"Run {found.run} on {cell(found.dataset)}, {found.split}: {found.rows:,} rows"]
    lines += columns([(name, number(value)) for name, value in found.measured.values.items()], indent="  ")
    for name, table in found.measured.tables.items():
        lines += ["", f"  {cell(name)}"]
        if table and isinstance(table[0], (list, tuple)) and not isinstance(table[0][0], (list, tuple)):
            lines += columns([[number(each) for each in row] for row in table], indent="    ")
        else:
            lines.append(f"    {cell(table)}")
    return lines
