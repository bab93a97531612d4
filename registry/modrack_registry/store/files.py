"""The SQLite file itself: whose it is, who may read it, where it may lie."""

from __future__ import annotations

import errno
import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from modrack_registry.errors import UserError
from modrack_registry.store.schema import APPLICATION_ID

_WHOSE = ("application_id", "schema_version")
# SQLite needs file locks that hold between machines; on these they do not, or not surely.
# https://www.sqlite.org/howtocorrupt.html#_filesystems_with_broken_or_missing_lock_implementations
_NETWORK = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "smb2", "afs", "ncpfs", "fuse.sshfs", "fuse.glusterfs", "lustre"}
_NETWORK |= {"beegfs", "gpfs", "ceph", "fuse.ceph", "davfs", "fuse.davfs2", "fuse.rclone", "fuse.s3fs", "fuse.gcsfuse"}


def connect(path: Path, busy: float) -> sqlite3.Connection:
    """A connection to the file at `path`, which is never made; one that only reads where writing is not allowed.

    Every look into the file goes through here, and none through `open()`: closing a file ends all locks that this
    process has on it, so that another process would write in the middle of our transaction.
    https://www.sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled_by_a_separate_thread_doing_close_
    """
    uri = f"file:{quote(str(path))}?mode="

    def opened(mode: str) -> sqlite3.Connection:
        return sqlite3.connect(uri + mode, uri=True, timeout=busy, check_same_thread=False, isolation_level=None)

    raw = opened("rw")
    if os.access(path.parent, os.W_OK):
        return raw
    try:
        raw.execute("PRAGMA schema_version")
    except sqlite3.OperationalError:
        raw.close()
        # A WAL file wants a second file beside it, for which there is no place. Without a log nothing is missed.
        if any(Path(f"{path}{more}").exists() for more in ("-wal", "-journal")):
            raise
        raw = opened("ro&immutable=1")
    return raw


def check_file(path: Path, busy: float = 5.0) -> bool:
    """Whether there is a run store at `path`. Raises UserError for a file that is something else, and sqlite3.Error."""
    try:
        status = path.stat()
        if not stat.S_ISDIR(status.st_mode) and not os.access(path, os.R_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.", "Ask its owner, or use another home.") from None
    if stat.S_ISDIR(status.st_mode):
        raise UserError(f"{path} is a folder, not a run store.", "Name another place with MODRACK_DB.")
    if not status.st_size:
        return False  # made, and then the power went
    try:
        with closing(connect(path, busy)) as raw:
            owner, changes = (raw.execute(f"PRAGMA {name}").fetchone()[0] for name in _WHOSE)
    except sqlite3.DatabaseError as error:
        if "not a database" not in str(error):
            raise
        raise UserError(
            f"{path} is not a SQLite database: it is damaged, or another program's.",
            "Move it away, or put a backup in its place.",
        ) from None
    # A database without tables yet is nobody's: its schema was never changed.
    if owner != APPLICATION_ID and changes:
        raise UserError(
            f"{path} is a SQLite database of another program, not a run store.",
            "Use another home (MODRACK_HOME) or another database (MODRACK_DB).",
        )
    return True


def make_private(folder: Path) -> None:
    """Make `folder` for its owner alone; one that is there stays as it is. Raises UserError."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except FileExistsError:
        raise UserError(f"{folder} is a file, not a folder.", "Choose a folder with MODRACK_HOME.") from None
    except NotADirectoryError:
        raise UserError(
            f"{folder} cannot be made: a part of its path is a file.", "Choose a folder with MODRACK_HOME."
        ) from None
    except OSError as error:
        raise UserError(
            f"{folder} cannot be made: {error.strerror}.", "Choose a folder you may write with MODRACK_HOME."
        ) from None


def create_private(path: Path) -> None:
    """Make an empty file for its owner alone; SQLite's journals take its mode. Raises UserError."""
    if path.exists():
        return  # nothing to open, for the reason that `connect` gives
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        return
    except OSError as error:
        raise UserError(
            f"{path} cannot be written: {error.strerror}.", "Choose a folder you may write with MODRACK_HOME."
        ) from None


def check_local(path: Path, mounts: str | None = None) -> None:
    """Raise UserError where `path` lies on a network file system. `mounts` is the text of /proc/self/mounts."""
    if mounts is None:
        try:
            mounts = Path("/proc/self/mounts").read_text("utf-8", "replace")
        except OSError:
            return
    place, kind = "", ""
    real = os.path.realpath(path)
    for line in mounts.splitlines():
        words = line.split(" ")
        if len(words) < 3:
            continue
        mount = words[1].replace(r"\040", " ")
        inside = real == mount or real.startswith(mount.rstrip("/") + "/")
        if inside and len(mount) >= len(place):
            place, kind = mount, words[2]
    if kind in _NETWORK:
        raise UserError(
            f"{path} lies on a network file system ({kind} at {place}), where SQLite loses data.",
            "Use a local folder (MODRACK_HOME), or PostgreSQL (MODRACK_DB=postgresql+psycopg://…).",
        )
