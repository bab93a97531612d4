"""`modrack db views`."""

from __future__ import annotations

from pathlib import Path

import click

from modrack.cli.rack import debug_flag, home_flag, json_flag
from modrack.cli.text import as_json, clean
from modrack_registry.errors import UserError


@click.command("views")
@json_flag
@home_flag
@debug_flag
def command(json_: bool, home: Path | None) -> None:
    """Write the SQL views v_runs, v_params, v_metrics and v_points into the database, for programs other than modrack.

    v_runs has a column for each option and metric there is now: call this again when there are new ones.

    \b
    modrack db views
    sqlite3 modrack-runs/runs.db 'select id, model, test_accuracy from v_runs'
    """
    from modrack_registry.store import open_store
    from modrack_registry.store.views import find_names, name_columns, store_views

    database = open_store(home).database
    if database.schema is None:
        raise UserError(f"There is nothing in {database.place} yet.", "modrack train makes the first run.")
    with database.write() as connection:
        store_views(connection)
        names = name_columns(find_names(connection))
    if json_:
        click.echo(as_json({"database": database.place, "columns": {column: each.path for column, each in names}}))
    else:
        click.echo(
            f"{clean(database.place)} has v_runs ({len(names):,} options and metrics), v_params, v_metrics, v_points."
        )
