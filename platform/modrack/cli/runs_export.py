"""`modrack runs export`."""

from __future__ import annotations

from pathlib import Path

import click

from modrack.cli.rack import debug_flag, home_flag
from modrack_registry.errors import UserError


@click.command("export", context_settings={"ignore_unknown_options": True})
@click.argument("filters", nargs=-1, type=click.UNPROCESSED, metavar="[FILTER]...")
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, metavar="FILE", help=".csv .json .jsonl .parquet"
)
@click.option("--points", is_flag=True, help="The curves, a row a point, instead of a row a run.")
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@home_flag
@debug_flag
def command(filters: tuple[str, ...], out: Path, points: bool, force: bool, home: Path | None) -> None:
    """Write runs into a file that other programs read; all of them, or those that FILTER fits.

    \b
    modrack runs export 'dataset=digits' --out runs.parquet
    modrack runs export --points --out curves.csv
    """
    from modrack.records.export import WRITERS, export
    from modrack_registry.store import open_store

    if out.suffix not in WRITERS:
        raise UserError(f"--out {out}: unknown kind of file.", f"Its name ends in {', '.join(WRITERS)}.")
    if out.exists() and not force:
        raise UserError(f"{out} is there already.", "Choose another name, or replace it with --force.")
    count = export(open_store(home).runs(" ".join(filters) or None), out, points=points)
    click.echo(f"{count} {'points' if points else 'runs'} in {out}")
