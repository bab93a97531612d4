"""`modrack runs watch`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from modrack.cli.rack import debug_flag, home_flag
from modrack.cli.text import cell, duration, number

if TYPE_CHECKING:
    from modrack_registry.store import Run


@click.command("watch")
@click.argument("run", default="@last")
@click.option("--every", type=click.FloatRange(min=0.1), default=1.0, show_default=True, help="Seconds between looks.")
@home_flag
@debug_flag
def command(run: str, every: float, home: Path | None) -> int:
    """Follow RUN (else the newest) until it ends, from any terminal: a line for each evaluation and log point.

    Ends with the exit code of the run: 0 finished, 1 failed or lost, 130 interrupted.

    \b
    modrack runs watch 18
    """
    from modrack_registry.store import open_store

    store = open_store(home)
    watched = store.find(run)
    click.echo(f"Run {watched.id}  {cell(watched.model or '')} on {cell(watched.dataset or '')}  {watched.status}")
    seen: dict[str, int] = {}
    while True:
        now = store.get(watched.id)
        for line in _news(now, seen):
            click.echo(line)
        if now.status not in ("running", "queued"):
            break
        time.sleep(every)
    reason = f": {cell(now.reason)}" if now.reason else ""
    click.echo(f"Run {now.id} is {now.status}{reason}{f' after {duration(now.seconds)}' if now.seconds else ''}")
    return {"finished": 0, "interrupted": 130}.get(now.status, 1)


def _news(run: Run, seen: dict[str, int]) -> list[str]:
    """A line for each step at which something was recorded since the last look; `seen` holds the last step by name."""
    steps: dict[int, list[str]] = {}
    for metric, last in run.last_steps().items():
        if last <= seen.get(metric, -1):
            continue
        at, values, _ = run.history(metric, after=seen.get(metric, -1))
        for step, value in zip(at, values, strict=True):
            steps.setdefault(step, []).append(f"{cell(metric)} {number(value)}")
        # More may have been written since `last` was read.
        seen[metric] = max([last, *at])
    return [f"step {step:>7}  {'  '.join(values)}" for step, values in sorted(steps.items())]
