"""`modrack db info`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from modrack.cli.rack import debug_flag, home_flag, json_flag
from modrack.cli.text import as_json, columns


@click.command("info")
@json_flag
@home_flag
@debug_flag
def command(json_: bool, home: Path | None) -> None:
    """Say where the database is, how large, and what is in it.

    \b
    modrack db info
    modrack db info --json
    """
    from modrack_registry.store import open_store
    from modrack_registry.store.info import describe

    about = describe(open_store(home))
    click.echo(as_json(about) if json_ else "\n".join(columns(_rows(about))))


def _rows(about: dict[str, Any]) -> list[tuple[str, str]]:
    rows = [("home", about["home"]), ("database", about["database"])]
    if about["schema"] is None:
        return [*rows, ("runs", "none yet: modrack train makes one")]
    statuses = ", ".join(f"{count:,} {status}" for status, count in about["statuses"].items())
    deleted = f"; {about['deleted']:,} deleted" if about["deleted"] else ""
    engine = f"{about['engine']} {about['version']}"
    # Of a few points it would say nothing but how large an empty file is.
    each = f", {about['bytes_per_point']:g} bytes a point" if about["points"] >= 100_000 else ""
    return [
        *rows,
        ("engine", f"{engine}, journal mode {about['journal']}" if about["journal"] else engine),
        ("schema", about["schema"]),
        ("size", f"{about['bytes'] / 2**20:,.1f} MiB{each}"),
        ("runs", f"{about['runs']:,}{f' ({statuses})' if statuses else ''}{deleted}"),
        ("points", f"{about['points']:,} of {about['metrics']:,} metrics"),
    ]
