"""What `modrack train` shows while it runs: on a terminal, in a pipe, beside `--json`."""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from modrack.cli.text import cell, columns, duration, number
from modrack.runner.report import EpochLine, Reporter, Silent

if TYPE_CHECKING:
    from modrack_registry.store import Run


class Screen(Reporter, Protocol):
    """A reporter that can be put away when a run ends in an error."""

    def close(self) -> None: ...


class NoScreen(Silent):
    """For `--quiet`."""

    def close(self) -> None:
        """Nothing is open."""


def choose_screen(json_: bool, quiet: bool, home: Path | None = None) -> Screen:
    """The screen that fits: with `--json` all goes to stderr, on a terminal it is alive.

    `home` is where the user asked to keep runs; what to type next says it again.
    """
    if quiet:
        return NoScreen()
    stream = sys.stderr if json_ else sys.stdout
    if not json_ and stream.isatty():
        from modrack.cli.live import LiveScreen

        return LiveScreen(home)
    return PlainScreen(stream, home)


class PlainScreen(Screen):
    """Lines, one after the other. When nobody reads them any more, the run goes on without them."""

    def __init__(self, stream: TextIO, home: Path | None = None) -> None:
        self.stream: TextIO | None = stream
        self.home = home

    def started(self, run_id: int, facts: dict[str, Any]) -> None:
        self._say(f"Run {run_id}", *header(facts))

    def progress(self, step: int, total: int, epoch: float, loss: float | None) -> None:
        """Lines are for evaluations; what happens in between is in the store."""

    def epoch(self, line: EpochLine) -> None:
        self._say(epoch_text(line))

    def note(self, text: str) -> None:
        self._say(cell(text))

    def finished(self, run: Run) -> None:
        self._say(*result(run, self.home))

    def close(self) -> None:
        """Nothing is open."""

    def _say(self, *lines: str) -> None:
        if self.stream is None:
            return
        try:
            print("\n".join(lines), file=self.stream, flush=True)
        except BrokenPipeError:
            self.stream = None
            _close_quietly()


def header(facts: Mapping[str, Any]) -> list[str]:
    """What is about to run, as aligned lines."""
    rows = ", ".join(
        f"{name} {'streamed' if count is None else format(count, ',')}" for name, count in facts.get("rows", {}).items()
    )
    cuts = [str(name) for name in facts.get("cuts") or ()]
    cut = f" ({' and '.join(cuts)} cut from train)" if cuts else ""
    classes = f", {facts['classes']} classes" if facts.get("classes") else ""
    parameters = facts.get("parameters")
    table = [
        ("model", f"{facts.get('model')}" + (f" ({parameters:,} parameters)" if parameters is not None else "")),
        ("dataset", f"{facts.get('dataset')} ({facts.get('task')}{classes})"),
        ("rows", rows + cut),
        ("device", f"{facts.get('device')}, {facts.get('precision')}"),
        ("length", _length(facts)),
    ]
    return columns(table, indent="  ")


def epoch_text(line: EpochLine) -> str:
    """One evaluation on one line, each split named once, the best so far starred."""
    splits: dict[str, list[str]] = {}
    for path, value in line.values.items():
        split, dot, name = path.partition(".")
        splits.setdefault(split if dot else "", []).append(f"{cell(name or path)} {number(value)}")
    values = "  ".join(f"{cell(split)} {'  '.join(said)}".strip() for split, said in splits.items())
    star = "  *" if line.best else ""
    return f"{_place(line)}  {values}  {duration(line.seconds)}{star}"


def result(run: Run, home: Path | None = None) -> list[str]:
    """How a run ended: its metrics, its number, and what to type next."""
    status = "done" if run.status == "finished" else f"{run.status}: {cell(run.reason or '')}"
    speed = f", {run.samples_per_second:,.0f} rows/s" if run.samples_per_second else ""
    return [
        "",
        f"Run {run.id} {status} in {duration(run.seconds)}{speed}",
        *columns(
            [(name, number(value)) for name, value in final_metrics(run.metrics).items()],
            indent="  ",
        ),
        f"  kept in {cell(run.folder)}",
        f"  next: {what_next(run, home)}",
    ]


def what_next(run: Run, home: Path | None) -> str:
    """The command that shows the run again."""
    return f"modrack runs show {run.id}" + (f" --home {shlex.quote(str(home))}" if home is not None else "")


def final_metrics(metrics: Mapping[str, float]) -> dict[str, float]:
    """The metrics of a result table: those of test; where it was not reached, all."""
    test = {name: value for name, value in metrics.items() if name.startswith("test.")}
    return test or dict(metrics)


def result_object(run: Run) -> dict[str, Any]:
    """What `train --json` prints."""
    return {
        "run": run.id,
        "status": run.status,
        "metrics": run.metrics,
        "seconds": run.seconds,
        "samples_per_second": run.samples_per_second,
        "folder": str(run.folder),
    }


def _length(facts: Mapping[str, Any]) -> str:
    epochs, steps = facts.get("epochs"), facts.get("steps")
    parts = [
        f"{epochs:g} epochs" if epochs else "",
        f"{steps:,} steps of {_step_size(facts)}" if steps else "",
    ]
    return " = ".join(filter(None, parts))


def _place(line: EpochLine) -> str:
    if line.epochs is None:
        return f"step {line.step}"
    if float(line.epoch).is_integer():
        width = len(f"{line.epochs:g}")
        return f"epoch {line.epoch:>{width}g}/{line.epochs:g}"
    return f"epoch {line.epoch:.2f}/{line.epochs:g}"


def _close_quietly() -> None:
    # Python would complain once more when it flushes a broken stdout at its end.
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _step_size(facts: Mapping[str, Any]) -> str:
    tokens = facts.get("batch_tokens")
    return f"at most {tokens:,} tokens" if tokens else f"{facts.get('batch_size')} rows"
