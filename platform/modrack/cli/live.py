"""The screen on a terminal: a header, a bar that moves, a line an epoch, a table at the end."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from modrack.cli.screen import epoch_text, final_metrics, header, what_next
from modrack.cli.text import cell, duration, number
from modrack.runner.report import EpochLine

if TYPE_CHECKING:
    from modrack_registry.store import Run


class LiveScreen:
    """Draws on the terminal while a run goes on. Names that were stored never reach it with their escapes."""

    def __init__(self, home: Path | None = None) -> None:
        self.console = Console(highlight=False)
        self.home = home
        self.status = self.console.status("Loading …")
        self.status.start()
        self.bar: Progress | None = None
        self.task: TaskID | None = None

    def started(self, run_id: int, facts: dict[str, Any]) -> None:
        self.status.stop()
        name = f"  {cell(facts['name'])}" if facts.get("name") else ""
        self.console.print(Text.assemble((f"Run {run_id}", "bold"), name))
        for line in header(facts):
            self.console.print(Text(line, style="dim"))
        self.bar = Progress(
            TextColumn("  {task.description}"),
            BarColumn(bar_width=30),
            TextColumn("{task.completed:,.0f}/{task.total:,.0f} steps"),
            TextColumn("{task.fields[loss]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(compact=True),
            console=self.console,
            transient=True,
            refresh_per_second=4,
        )
        self.task = self.bar.add_task("starting", total=facts.get("steps"), loss="")
        self.bar.start()

    def progress(self, step: int, total: int, epoch: float, loss: float | None) -> None:
        if self.bar is not None and self.task is not None:
            said = "" if loss is None else f"loss {loss:.4f}"
            self.bar.update(self.task, completed=step, total=total, description=f"epoch {int(epoch) + 1}", loss=said)

    def epoch(self, line: EpochLine) -> None:
        self.console.print(Text(f"  {epoch_text(line)}", style="green" if line.best else ""))
        if self.bar is not None and self.task is not None:
            self.bar.update(self.task, completed=line.step)

    def note(self, text: str) -> None:
        self.console.print(Text(f"  {cell(text)}", style="yellow"))

    def finished(self, run: Run) -> None:
        self.close()
        done = run.status == "finished"
        said = "done" if done else f"{run.status}: {cell(run.reason or '')}"
        speed = f", {run.samples_per_second:,.0f} rows/s" if run.samples_per_second else ""
        self.console.print()
        self.console.print(
            Text.assemble(
                (f"Run {run.id} {said}", "bold green" if done else "bold yellow"), f" in {duration(run.seconds)}{speed}"
            )
        )
        table = Table(show_header=False, box=None, padding=(0, 2))
        for name, value in final_metrics(run.metrics).items():
            table.add_row(Text(cell(name)), Text(number(value), style="bold"))
        self.console.print(table)
        self.console.print(Text(f"  kept in {cell(run.folder)}", style="dim"), soft_wrap=True)
        self.console.print(Text.assemble("  next: ", (what_next(run, self.home), "cyan")))

    def close(self) -> None:
        """Take away what moves; the lines above it stay."""
        self.status.stop()
        if self.bar is not None:
            self.bar.stop()
            self.bar = None
