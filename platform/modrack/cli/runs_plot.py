"""`modrack runs plot`."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from modrack.cli.rack import debug_flag, home_flag
from modrack.cli.text import cell
from modrack_registry.errors import UserError
from modrack_registry.suggest import did_you_mean

if TYPE_CHECKING:
    from modrack_registry.store import Run

Curve = tuple[str, list[int], list[float]]
SUFFIXES = (".png", ".svg", ".pdf")


@click.command("plot")
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@click.option("--metric", "metrics", multiple=True, metavar="NAME", help="What to draw (repeatable); else the loss.")
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Draw into a .png, .svg or .pdf file.")
@click.option("--log", "logarithmic", is_flag=True, help="A logarithmic axis for the values.")
@home_flag
@debug_flag
def command(
    runs: tuple[str, ...], metrics: tuple[str, ...], out: Path | None, logarithmic: bool, home: Path | None
) -> None:
    """Curves of runs over their steps, in the terminal or in a file.

    \b
    modrack runs plot 12 15 --metric validation.accuracy
    modrack runs plot 12 --out curves.png
    """
    from modrack_registry.store import open_store

    if out is not None and out.suffix.lower() not in SUFFIXES:
        raise UserError(f"--out {out}: unknown kind of picture.", f"Its name ends in {', '.join(SUFFIXES)}.")
    store = open_store(home)
    found = [store.find(run) for run in runs]
    curves = [curve for run in found for curve in _curves(run, metrics)]
    if not curves:
        raise UserError(
            f"No run has {' or '.join(metrics) or 'a loss'}.",
            did_you_mean(metrics[0] if metrics else "loss", {name for run in found for name in run.metrics}),
        )
    if out is not None:
        _picture(curves, out, logarithmic)
        click.echo(f"{len(curves)} curves in {out}")
    else:
        click.echo(_drawing(curves, logarithmic))


def _curves(run: Run, metrics: tuple[str, ...]) -> list[Curve]:
    wanted = metrics or [name for name in run.metrics if name in ("train.loss", "validation.loss")] or ()
    found = []
    for name in wanted:
        if name in run.metrics:
            steps, values, _ = run.history(name)
            real = [(step, value) for step, value in zip(steps, values, strict=True) if value - value == 0]
            if real:
                found.append((f"{run.id} {cell(name)}", [step for step, _ in real], [value for _, value in real]))
    return found


def thinned(curve: Curve, most: int) -> Curve:
    """At most about `most` points: of each stretch its least and its greatest, so that no spike is lost."""
    name, steps, values = curve
    if len(steps) <= most:
        return curve
    size = -(-2 * len(steps) // most)
    kept: list[int] = []
    for start in range(0, len(steps), size):
        places = range(start, min(start + size, len(steps)))
        low, high = min(places, key=values.__getitem__), max(places, key=values.__getitem__)
        kept += sorted({low, high})
    return name, [steps[place] for place in kept], [values[place] for place in kept]


def _drawing(curves: list[Curve], logarithmic: bool) -> str:
    from uniplot import plot_to_string

    size = shutil.get_terminal_size((100, 30))
    thin = [thinned(curve, 400) for curve in curves]
    drawn: str = plot_to_string(
        xs=[steps for _, steps, _ in thin],
        ys=[values for _, _, values in thin],
        legend_labels=[name for name, _, _ in thin],
        lines=True,
        y_as_log=logarithmic,
        x_unit=" steps",
        width=max(20, min(size.columns, 120) - 14),
        height=max(8, min(size.lines - 6, 24)),
        color=sys.stdout.isatty() and "NO_COLOR" not in os.environ,
        character_set="braille" if _wide() else "ascii",
    )
    return drawn.rstrip()


def _wide() -> bool:
    return "utf" in (getattr(sys.stdout, "encoding", "") or "").lower()


def _picture(curves: list[Curve], out: Path, logarithmic: bool) -> None:
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise UserError("Pictures need matplotlib.", "pip install 'modrack[plot]'") from None
    figure = Figure(figsize=(9, 5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for curve in curves:
        name, steps, values = thinned(curve, 4000)
        axes.plot(steps, values, label=name)
    if logarithmic:
        axes.set_yscale("log")
    axes.set_xlabel("step")
    axes.grid(alpha=0.3)
    axes.legend()
    try:
        figure.savefig(out, dpi=150)
    except OSError as error:
        raise UserError(f"--out {out}: {error.strerror}.", "Choose another place.") from None
