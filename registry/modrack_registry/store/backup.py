"""A copy of the SQLite file that is whole, also while it is written."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from contextlib import closing
from pathlib import Path

from modrack_registry.errors import UserError
from modrack_registry.store.database import Database
from modrack_registry.store.files import connect


def back_up(database: Database, target: Path) -> None:
    """Write a copy of the database to `target`: complete, checked and on the disk, or not at all.

    Writers wait while it is read. Raises UserError where `target` is there already or cannot be written, and for
    PostgreSQL, which has its own tools.
    """
    source = database.path
    if source is None:
        raise UserError(
            f"{database.place} is no file.",
            "`pg_dump` makes a backup of it; `modrack db move sqlite:////a/file.db` copies it into a file.",
        )
    if target.exists() or target.is_symlink():
        raise UserError(f"{target} is there already.", "Name a file that is not.")
    part = target.with_name(f"{target.name}.part")
    try:
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        raise UserError(
            f"{part} is there: a backup to that name is being written, or was cut off.",
            "Delete it if nothing writes it, or name another file.",
        ) from None
    except OSError as error:
        raise UserError(f"{target} cannot be written: {error.strerror}.", "Name a file elsewhere.") from None
    try:
        with database.explained():
            _copy(source, part, database.busy)
        _sync(part)
        _put(part, target)
        _sync(target.parent)
    except OSError as error:
        raise UserError(f"{target} cannot be written: {error.strerror}.", "Name a file elsewhere.") from None
    finally:
        for more in ("", "-journal", "-wal", "-shm"):
            with contextlib.suppress(OSError):
                part.with_name(part.name + more).unlink()


def _copy(source: Path, target: Path, busy: float) -> None:
    with closing(connect(source, busy)) as read, closing(connect(target, busy)) as write:
        write.execute("PRAGMA synchronous = OFF")  # synced once, when it is whole
        try:
            read.backup(write)  # in one go: one that is cut into pieces starts again at each write beside it
            write.execute("PRAGMA journal_mode = DELETE")  # one file, without a log beside it
            (found,) = write.execute("PRAGMA quick_check(1)").fetchone()
        except sqlite3.OperationalError as error:
            if "full" in str(error) or "disk i/o" in str(error).lower():
                raise OSError(0, f"{error}") from error
            raise
        if found != "ok":
            raise sqlite3.DatabaseError(f"database disk image is malformed: {found}")


def _put(part: Path, target: Path) -> None:
    """Give the whole file its name; unlike a rename, a link never replaces what came there meanwhile."""
    try:
        os.link(part, target)
    except FileExistsError:
        raise UserError(f"{target} is there already.", "Name a file that is not.") from None
    except OSError:  # a file system without links
        part.rename(target)


def _sync(path: Path) -> None:
    if path.is_dir() and os.name == "nt":
        return  # a folder cannot be opened there
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
