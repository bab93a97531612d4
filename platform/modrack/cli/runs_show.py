"""`modrack runs show`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from modrack.cli.rack import debug_flag, home_flag, json_flag
from modrack.cli.text import as_json, bold, cell, columns, duration, number

if TYPE_CHECKING:
    from modrack_registry.store import Run


@click.command("show")
@click.argument("run")
@json_flag
@home_flag
@debug_flag
def command(run: str, json_: bool, home: Path | None) -> None:
    """Show RUN, a number, @last or @best:METRIC: parts, options, metrics, where it came from.

    \b
    modrack runs show 3
    modrack runs show @best:test.accuracy
    modrack runs show 3 --json
    """
    from modrack_registry.store import open_store

    found = open_store(home).find(run)
    click.echo(as_json(_record(found)) if json_ else "\n".join(_page(found)))


def _record(run: Run) -> dict[str, Any]:
    more = (
        *("ended", "samples_per_second", "folder", "pictures", "reason", "tags", "note", "seed", "command"),
        *("components", "config", "git", "packages", "hardware", "plan", "extra"),
    )
    return {**run.as_dict(), **{name: getattr(run, name, None) for name in more}}


def _page(run: Run) -> list[str]:
    name = f"  {cell(run.name)}" if run.name else ""
    reason = f": {cell(run.reason)}" if run.reason else ""
    speed = f", {run.samples_per_second:,.0f} rows/s" if run.samples_per_second else ""
    git: Any = run.git or {}
    about = [
        ("status", f"{run.status}{reason}"),
        ("started", f"{run.started.astimezone():%Y-%m-%d %H:%M:%S}, ran {duration(run.seconds) or '?'}{speed}"),
        *([("tags", ", ".join(run.tags))] if run.tags else []),
        *([("note", run.note)] if run.note else []),
        # An imported run may have neither command nor seed.
        *([("command", shlex.join(map(str, run.command)))] if run.command else []),
        *_cost(run.extra),
        *([("seed", str(run.seed))] if run.seed is not None else []),
        *([("commit", f"{git['commit']}{', with changes' if git.get('dirty') else ''}")] if git.get("commit") else []),
        ("folder", str(run.folder)),
    ]
    parts = [
        (part["kind"], part["full"], part.get("version") or "", (part.get("digest") or "")[:12])
        for part in run.components
    ]
    params = [(path, _value(value)) for path, value in run.params.items() if value is not None]
    metrics = [(key, number(value)) for key, value in run.metrics.items()]
    lines = [bold(f"Run {run.id}") + name, *columns(about, indent="  ")]
    pictures = [(cell(place),) for place in run.pictures]
    for title, rows in (("parts", parts), ("options", params), ("metrics", metrics), ("pictures", pictures)):
        if rows:
            lines += ["", bold(title), *columns(rows, indent="  ")]
    return lines


def _cost(extra: dict[str, Any]) -> list[tuple[str, str]]:
    said = []
    if "peak_memory" in extra:
        said.append(f"{extra['peak_memory'] / 2**20:,.0f} MiB at most")
    if "flops_per_second" in extra:
        used = f" ({extra['mfu']:.0%} of the device)" if "mfu" in extra else ""
        said.append(f"{extra['flops_per_second'] / 1e9:,.1f} GFLOP/s{used}")
    if "tokens_per_second" in extra:
        padded = extra["padded_tokens_per_second"]
        said.append(f"{extra['tokens_per_second']:,.0f} tokens/s, {padded:,.0f} with padding")
    return [("cost", ", ".join(said))] if said else []


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return ",".join(map(str, value))
    return cell(value)
