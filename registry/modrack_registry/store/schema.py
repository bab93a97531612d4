"""The tables. `docs/runs.md` tells what each column means; `migrations` how they came to be.

Times are seconds since 1970 UTC, except `point.time`. NULL in a metric's value means NaN: SQLite cannot store one.
Names that repeat for every run (metrics, options) are interned in `name`, components in `component`.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
)

# The revision `metadata` describes; a file of an older one is migrated, a newer one is refused.
SCHEMA_VERSION = "0001"
# "mdrk", in the header of the SQLite file: whose file it is.
APPLICATION_ID = 0x6D64726B

metadata = MetaData()


def _run_key(**options: object) -> Column[int]:
    return Column("run", Integer, ForeignKey("run.id", ondelete="CASCADE"), nullable=False, **options)  # type: ignore[arg-type]


version = Table("modrack_version", metadata, Column("version_num", Text, primary_key=True))

name = Table(
    "name",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("text", Text, nullable=False, unique=True),
    Column("better", Text),  # "higher" or "lower" where the name is a metric's and it is known
)

blob = Table(
    "blob",
    metadata,
    Column("sha256", Text, primary_key=True),
    Column("size", Integer, nullable=False),  # bytes before compression
    Column("data", LargeBinary, nullable=False),  # zlib
)

run = Table(
    "run",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text),
    Column("status", Text, nullable=False),  # as last written; `status.py` tells the truth
    Column("model", Text),
    Column("dataset", Text),
    Column("optimizer", Text),
    Column("task", Text),
    Column("started", Double, nullable=False),
    Column("ended", Double),
    Column("seconds", Double),  # of all attempts
    Column("samples_per_second", Double),
    Column("seed", BigInteger),
    Column("attempt", Integer, nullable=False),
    Column("parent", Integer),  # the run this one repeats
    Column("reason", Text),
    Column("note", Text),
    Column("folder", Text, nullable=False),  # relative to the home
    Column("commit", Text),
    Column("dirty", SmallInteger),
    Column("python", Text),
    Column("host", Text),
    Column("deleted", Double),
    Index("run_by_status", "status"),
    Index("run_by_started", "started"),
    Index("run_by_model", "model"),
    Index("run_by_dataset", "dataset"),
    Index("run_by_name", "name"),
    sqlite_autoincrement=True,  # a number is never given twice, also after `gc`
)

# What only `show` reads, apart so that lists stay narrow. All but the two digests are JSON.
detail = Table(
    "detail",
    metadata,
    _run_key(primary_key=True),
    Column("config", Text, nullable=False),
    Column("command", Text),
    Column("plan", Text),
    Column("hardware", Text),
    Column("data", Text),
    Column("environment", Text),
    Column("extra", Text),
    Column("remote", Text),
    Column("packages", Text, ForeignKey("blob.sha256")),
    Column("diff", Text, ForeignKey("blob.sha256")),
)

param = Table(
    "param",
    metadata,
    _run_key(),
    Column("name", Integer, ForeignKey("name.id"), nullable=False),
    Column("type", Text, nullable=False),  # int float bool text list none
    Column("number", Double),
    Column("text", Text),
    PrimaryKeyConstraint("run", "name"),
    Index("param_by_number", "name", "number", "run"),
    Index("param_by_text", "name", "text", "run"),
    sqlite_with_rowid=False,
)

component = Table(
    "component",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("full", Text, nullable=False),
    Column("plugin", Text, nullable=False),
    Column("version", Text, nullable=False),  # "" where it has none: NULLs are never equal
    Column("digest", Text, nullable=False),
    UniqueConstraint("kind", "full", "version", "digest", "name", "plugin"),
)

used = Table(
    "used",
    metadata,
    _run_key(),
    Column("position", Integer, nullable=False),
    Column("component", Integer, ForeignKey("component.id"), nullable=False),
    PrimaryKeyConstraint("run", "position"),
    Index("used_by_component", "component", "run"),
    sqlite_with_rowid=False,
)

tag = Table(
    "tag",
    metadata,
    _run_key(),
    Column("text", Text, nullable=False),
    PrimaryKeyConstraint("run", "text"),
    Index("tag_by_text", "text", "run"),
    sqlite_with_rowid=False,
)

# One row for each metric of a run: lists, filters and sorting read this and never a point.
series = Table(
    "series",
    metadata,
    Column("id", Integer, primary_key=True),
    _run_key(),
    Column("name", Integer, ForeignKey("name.id"), nullable=False),
    Column("n", Integer, nullable=False, default=0),
    Column("nans", Integer, nullable=False, default=0),
    Column("first", Double),
    Column("first_step", BigInteger),
    Column("last", Double),  # of the greatest step
    Column("last_step", BigInteger),
    Column("min", Double),
    Column("min_step", BigInteger),  # the first step that has it
    Column("max", Double),
    Column("max_step", BigInteger),
    UniqueConstraint("run", "name"),
    Index("series_by_last", "name", "last", "run"),
    Index("series_by_min", "name", "min", "run"),
    Index("series_by_max", "name", "max", "run"),
)

point = Table(
    "point",
    metadata,
    Column("series", Integer, ForeignKey("series.id", ondelete="CASCADE"), nullable=False),
    Column("step", BigInteger, nullable=False),
    Column("value", Double),
    Column("time", BigInteger, nullable=False),  # milliseconds since the run started: half the bytes of a date
    PrimaryKeyConstraint("series", "step"),
    sqlite_with_rowid=False,
)

event = Table(
    "event",
    metadata,
    _run_key(),
    Column("attempt", Integer, nullable=False),
    Column("number", Integer, nullable=False),  # counted by the writer, so that a replay adds nothing twice
    Column("time", Double, nullable=False),
    Column("kind", Text, nullable=False),
    Column("data", Text, nullable=False),  # JSON
    PrimaryKeyConstraint("run", "attempt", "number"),
    sqlite_with_rowid=False,
)

attempt = Table(
    "attempt",
    metadata,
    _run_key(),
    Column("number", Integer, nullable=False),
    Column("started", Double, nullable=False),
    Column("ended", Double),
    Column("seconds", Double),
    Column("status", Text, nullable=False),
    Column("reason", Text),
    Column("host", Text),
    Column("pid", Integer),
    Column("command", Text),  # JSON
    PrimaryKeyConstraint("run", "number"),
    sqlite_with_rowid=False,
)

# Who writes a run now. A finished run has none.
lease = Table(
    "lease",
    metadata,
    _run_key(primary_key=True),
    Column("host", Text, nullable=False),
    Column("boot", Text),  # of the machine: its boot id
    Column("space", Text),  # the process-id namespace: a container counts its own
    Column("pid", Integer, nullable=False),
    Column("born", BigInteger),  # clock ticks from boot to the start of the process
    Column("until", Double, nullable=False),
)
