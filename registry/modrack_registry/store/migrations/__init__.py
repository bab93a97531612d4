"""How the tables came to be: a file a revision in `versions/`, run by alembic where a database is older.

To change the tables: change `schema.py`, raise `schema.SCHEMA_VERSION`, add `versions/r0002_what_it_does.py` with
`revision`, `down_revision` and `upgrade()`, which calls `alembic.op` for both engines, and check in a file of the old
schema under `tests/registry/store/fixtures/`. A test compares what all revisions lead to with what `schema.py` makes.
A new database is made from `schema.py` at once and runs no revision.

An upgrade is one transaction with `PRAGMA foreign_keys = OFF` (SQLite can alter little; `op.batch_alter_table` copies
a table and drops the old one, which must not take other rows along), and its references are checked before it ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from modrack_registry.store import schema


@dataclass(frozen=True)
class Revisions:
    """Where revisions lie, and the one that this modrack reads and writes."""

    head: str = schema.SCHEMA_VERSION
    folders: tuple[Path, ...] = (Path(__file__).with_name("versions"),)


REVISIONS = Revisions()
