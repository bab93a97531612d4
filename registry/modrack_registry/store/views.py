"""Views for people who ask in SQL: `v_runs` has a column for each option and metric, the others a row.

They are functions of the tables, made when someone asks (`ensure_views`): temporary ones, so that a read-only file has
them too, a metric that is new has its column at once, and no writer ever changes the schema beside a reader. That is
why no revision holds them. For programs that open the file without modrack they can be stored (`store_views`), as they
are at that moment; a temporary view hides a stored one of its name.

Columns of `v_runs`: the name in lower case with `_` for what is no letter, digit or `_` (`optimizer.lr` is
`optimizer_lr`). Attributes come first, then names in the order they were first used; one that is taken gets `_2`,
`_3` … SQLite takes 2,000 columns and PostgreSQL 1,664: of more than MOST_COLUMNS names those of the most runs are kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection

from modrack_registry.store.status import ALIVE

VIEWS = ("v_runs", "v_params", "v_metrics", "v_points")
MOST_COLUMNS = 1500
# PostgreSQL cuts names to 63 bytes, without a word; the rest is for a suffix.
_NAME_BYTES = 58

_PLAIN = (
    *("id", "name", "status", "model", "dataset", "optimizer", "task", "started", "ended", "seconds"),
    *("samples_per_second", "seed", "tags", "note", "reason", "attempt", "parent", "folder", "git_commit"),
    *("git_dirty", "python", "host"),
)


@dataclass(frozen=True)
class Name:
    """An option or a metric that occurs. `text` is whether some values of an option are no numbers."""

    id: int
    path: str
    kind: str  # "param" or "metric"
    text: bool = False


def name_columns(names: Iterable[Name]) -> list[tuple[str, Name]]:
    """The column of each name: options first, then metrics. What a name is called does not change by later ones."""
    taken = set(_PLAIN)
    called: list[tuple[str, Name]] = []
    for each in sorted(names, key=lambda each: (each.id, each.kind)):
        # ASCII alone, as SQLite and PostgreSQL fold it.
        plain = re.sub(r"\W", "_", each.path).translate(_LOWER) or "_"
        plain = f"_{plain}" if plain[0].isdigit() else plain
        plain = plain.encode()[:_NAME_BYTES].decode("utf-8", "ignore")
        column, count = plain, 1
        while column in taken:
            count += 1
            column = f"{plain}_{count}"
        taken.add(column)
        called.append((column, each))
    return sorted(called, key=lambda pair: (pair[1].kind != "param", pair[1].id))


def view_selects(names: Iterable[Name], sqlite: bool) -> dict[str, str]:
    """The SELECT of each view. An option or metric that a query does not name costs it nothing."""
    columns = [f"{_attribute(name, sqlite)} AS {name}" for name in _PLAIN]
    for column, each in name_columns(names):
        if each.kind == "metric":
            value = f"(SELECT s.last FROM series s WHERE s.run = run.id AND s.name = {each.id})"
        else:
            value = f"(SELECT {_value(each, sqlite)} FROM param p WHERE p.run = run.id AND p.name = {each.id})"
        columns.append(f'{value} AS "{column}"')
    return {"v_runs": f"SELECT {', '.join(columns)} FROM run WHERE run.deleted IS NULL"} | _TALL


def find_names(connection: Connection) -> list[Name]:
    """The options and metrics that occur, by index; the MOST_COLUMNS of the most runs where there are more."""
    found: list[Name] = []
    # SQLite's columns take values of any type, so that it need not be asked there.
    names = _NAMES.format(text="0" if connection.dialect.name == "sqlite" else _TEXT)
    for number, path, param, text, metric in connection.exec_driver_sql(names):
        found += [Name(number, path, "param", bool(text))] if param else []
        found += [Name(number, path, "metric")] if metric else []
    if len(found) > MOST_COLUMNS:
        runs = {
            (kind, number): count
            for kind, table in (("param", "param"), ("metric", "series"))
            for number, count in connection.exec_driver_sql(f"SELECT name, count(*) FROM {table} GROUP BY name")
        }
        found = sorted(found, key=lambda each: (-runs.get((each.kind, each.id), 0), each.id))[:MOST_COLUMNS]
    return found


def ensure_views(connection: Connection) -> None:
    """Make the views of what there is now, for this connection alone. Nothing is written to the database."""
    sqlite = connection.dialect.name == "sqlite"
    selects = view_selects(find_names(connection), sqlite)
    for view, select in selects.items():
        connection.exec_driver_sql(f"DROP VIEW IF EXISTS {'temp' if sqlite else 'pg_temp'}.{view}")
        connection.exec_driver_sql(f"CREATE TEMP VIEW {view} AS {select}")


def store_views(connection: Connection) -> None:
    """Keep the views of what there is now in the database, in place of those kept before. Inside `write()`."""
    sqlite = connection.dialect.name == "sqlite"
    selects = view_selects(find_names(connection), sqlite)
    drop_views(connection)
    for view, select in selects.items():
        connection.exec_driver_sql(f"CREATE VIEW {view} AS {select}")


def drop_views(connection: Connection) -> bool:
    """Take stored views away; whether there were any."""
    sqlite = connection.dialect.name == "sqlite"
    kept = "SELECT name FROM main.sqlite_master WHERE type = 'view'" if sqlite else _POSTGRESQL_VIEWS
    mine = sorted({row[0] for row in connection.exec_driver_sql(kept)} & set(VIEWS))
    # By its schema: a temporary one of the same name would go instead.
    schema = "main" if sqlite else connection.exec_driver_sql("SELECT quote_ident(current_schema())").scalar_one()
    for view in mine:
        connection.exec_driver_sql(f"DROP VIEW {schema}.{view}")
    return bool(mine)


_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}

_NAMES = """
SELECT n.id, n.text,
       EXISTS (SELECT 1 FROM param p WHERE p.name = n.id),
       {text},
       EXISTS (SELECT 1 FROM series s WHERE s.name = n.id)
FROM name n ORDER BY n.id
"""
_TEXT = "EXISTS (SELECT 1 FROM param p WHERE p.name = n.id AND p.number IS NULL AND p.text IS NOT NULL)"

_POSTGRESQL_VIEWS = "SELECT viewname FROM pg_views WHERE schemaname = current_schema()"

# Names are spelled out: a stored `SELECT *` would not be what it was after an upgrade.
_TALL = {
    "v_params": (
        "SELECT p.run, n.text AS name, p.type, p.number, p.text FROM param p JOIN name n ON n.id = p.name "
        "JOIN run ON run.id = p.run WHERE run.deleted IS NULL"
    ),
    "v_metrics": (
        "SELECT s.run, n.text AS name, n.better, s.n, s.nans, s.first, s.first_step, s.last, s.last_step, "
        "s.min, s.min_step, s.max, s.max_step FROM series s JOIN name n ON n.id = s.name "
        "JOIN run ON run.id = s.run WHERE run.deleted IS NULL"
    ),
    "v_points": (
        "SELECT s.run, n.text AS name, p.step, p.value, p.time / 1000.0 AS seconds FROM point p "
        "JOIN series s ON s.id = p.series JOIN name n ON n.id = s.name "
        "JOIN run ON run.id = s.run WHERE run.deleted IS NULL"
    ),
}


def _attribute(name: str, sqlite: bool) -> str:
    if name in ("started", "ended"):
        return f"strftime('%Y-%m-%d %H:%M:%f', run.{name}, 'unixepoch')" if sqlite else f"to_timestamp(run.{name})"
    if name == "tags":
        joined = "group_concat(t.text, ',')" if sqlite else "string_agg(t.text, ',' ORDER BY t.text)"
        tags = "(SELECT text FROM tag WHERE tag.run = run.id ORDER BY text)" if sqlite else "tag"
        return f"(SELECT {joined} FROM {tags} t{'' if sqlite else ' WHERE t.run = run.id'})"
    if name == "status":
        # What a lease can tell; whether the process lives, no SQL can ask.
        now = "(julianday('now') - 2440587.5) * 86400.0" if sqlite else "extract(epoch FROM now())"
        alive = ", ".join(f"'{each}'" for each in ALIVE)
        held = f"EXISTS (SELECT 1 FROM lease l WHERE l.run = run.id AND l.until > {now})"
        return f"CASE WHEN run.status IN ({alive}) AND NOT {held} THEN 'lost' ELSE run.status END"
    return 'run."commit"' if name == "git_commit" else "run.dirty" if name == "git_dirty" else f"run.{name}"


def _value(name: Name, sqlite: bool) -> str:
    if sqlite:  # a value has its own type there
        whole = "p.type = 'bool' OR (p.type = 'int' AND p.text IS NULL)"
        return f"CASE WHEN {whole} THEN CAST(p.number AS INTEGER) ELSE coalesce(p.number, p.text) END"
    return "coalesce(p.text, CAST(p.number AS text))" if name.text else "p.number"
