"""The SQLite file itself: whose it is, who may read it, where it may lie."""

from __future__ import annotations

import os
from pathlib import Path

from modrack_registry.errors import UserError
from modrack_registry.store.schema import APPLICATION_ID

_MAGIC = b"SQLite format 3\0"
# SQLite needs file locks that hold between machines; on these they do not, or not surely.
# https://www.sqlite.org/howtocorrupt.html#_filesystems_with_broken_or_missing_lock_implementations
_NETWORK = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "smb2", "afs", "ncpfs", "fuse.sshfs", "fuse.glusterfs", "lustre"}
_NETWORK |= {"beegfs", "gpfs", "ceph", "fuse.ceph", "davfs", "fuse.davfs2", "fuse.rclone", "fuse.s3fs", "fuse.gcsfuse"}


def check_file(path: Path) -> bool:
    """Whether there is a run store at `path`. Raises UserError for a file that is something else."""
    try:
        with path.open("rb") as file:
            head = file.read(100)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except IsADirectoryError:
        raise UserError(f"{path} is a folder, not a run store.", "Name another place with MODRACK_DB.") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.", "Ask its owner, or use another home.") from None
    if not head:
        return False  # made, and then the power went
    if not head.startswith(_MAGIC) or len(head) < 100:
        raise UserError(
            f"{path} is not a SQLite database: it is damaged, or another program's.",
            "Move it away, or put a backup in its place.",
        )
    if int.from_bytes(head[68:72], "big") != APPLICATION_ID and not _is_new(head):
        raise UserError(
            f"{path} is a SQLite database of another program, not a run store.",
            "Use another home (MODRACK_HOME) or another database (MODRACK_DB).",
        )
    return True


def _is_new(head: bytes) -> bool:
    """Whether a header is that of a database without tables yet: its schema was never changed."""
    return not any(head[40:44])


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
    try:
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
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
