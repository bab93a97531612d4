"""The thread that carries entries to the database while training goes on.

Saying something appends to a queue and returns. Once a second, or when much waits, the thread writes all of it in one
transaction. Where the database fails it goes to a file in the run's folder, and from there to the database as soon
as that takes it again; training never stops for it.
"""

from __future__ import annotations

import atexit
import os
import threading
import time
import warnings
import weakref
from collections import deque
from pathlib import Path

from sqlalchemy import Connection, update

from modrack_registry.errors import ModrackWarning
from modrack_registry.store import schema, spill
from modrack_registry.store.database import Database
from modrack_registry.store.entries import Entry, Place, write_entries
from modrack_registry.store.points import Overlap
from modrack_registry.store.status import LEASE_SECONDS, RENEW_SECONDS

FLUSH_SECONDS = 1.0
FLUSH_ENTRIES = 1000
# So that a failing write does not take more into one transaction with each try.
MOST_ENTRIES = 50_000

_writers: weakref.WeakSet[Writer] = weakref.WeakSet()


class Writer:
    """Carries the entries of one run; one at a time in a process."""

    def __init__(self, database: Database, place: Place, folder: Path) -> None:
        self.database, self.place, self.folder = database, place, folder
        self._queue: deque[Entry] = deque()
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self.closed = False
        self._warned = False
        self._stuck = False  # nothing takes what waits
        self._renewed = time.monotonic()
        self._thread = threading.Thread(target=self._carry, name=f"run {place.run}", daemon=True)
        _writers.add(self)
        atexit.register(self.close)
        self._thread.start()

    def put(self, entry: Entry) -> None:
        """Keep an entry; never waits."""
        if self.closed:
            raise RuntimeError(f"run {self.place.run} is not recorded by this process any more")
        self._queue.append(entry)
        if len(self._queue) >= FLUSH_ENTRIES and not self._wake.is_set():
            self._wake.set()

    def flush(self) -> None:
        """Return when all that was put is written, or spilled."""
        with self._lock:
            while self._queue:
                self._write([self._queue.popleft() for _ in range(min(len(self._queue), MOST_ENTRIES))])
                if self._stuck:
                    return

    def close(self, last: Entry | None = None) -> None:
        """Write what waits, and `last`, and end the thread. May be called again where Ctrl-C cut it off."""
        self.closed = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout=10)
        if last is not None:
            self._queue.append(last)
        self.flush()
        atexit.unregister(self.close)

    def disown(self) -> None:
        """In a forked child: the run, its thread and what waits are the parent's."""
        self._lock = threading.Lock()
        self._queue = deque()
        self.closed = True
        atexit.unregister(self.close)

    def _carry(self) -> None:
        while not self.closed:
            self._wake.wait(FLUSH_SECONDS)
            self._wake.clear()
            self.flush()
            if time.monotonic() - self._renewed > RENEW_SECONDS:
                with self._lock:
                    self._write([])

    def _write(self, entries: list[Entry]) -> None:
        self._stuck = False
        try:
            with self.database.write() as connection:
                write_entries(connection, self.place, entries)
                renew(connection, self.place)
            self._renewed = time.monotonic()
        except Exception as error:  # whatever it is, it must not end the training
            self._spill(entries, error)
            return
        except BaseException:
            self._queue.extendleft(reversed(entries))
            raise
        if spill.waits(self.folder):
            try:
                replay(self.database, self.place, self.folder)
            except Exception:
                return  # it keeps waiting beside the run

    def _spill(self, entries: list[Entry], error: Exception) -> None:
        if not entries:
            return
        try:
            spill.append(self.folder, self.place.attempt, entries)
            where = f"it goes to {self.folder / spill.SPILL} and is brought in later"
        except OSError:
            # Nowhere left to write: in memory until there is.
            self._queue.extendleft(reversed(entries))
            self._stuck = True
            where = f"it waits in memory, for {self.folder} takes nothing either"
        if not self._warned:
            self._warned = True
            said = (str(error).splitlines() or [type(error).__name__])[0]
            warnings.warn(f"{said} Training goes on; what it records, {where}.", ModrackWarning, stacklevel=2)


def replay(database: Database, place: Place, folder: Path) -> int:
    """Bring in what a run has spilled; the number of entries. Raises UserError and OSError, and loses nothing then.

    Only for a run that no other process writes.
    """
    count = 0
    while (aside := spill.take(folder)) is not None:
        by_attempt: dict[int, list[Entry]] = {}
        for attempt, entry in spill.read(aside):
            by_attempt.setdefault(attempt, []).append(tuple(entry))
            count += 1
        with database.write() as connection:
            for attempt, entries in sorted(by_attempt.items()):
                write_entries(connection, Place(place.run, attempt, place.started, Overlap()), entries, replay=True)
        aside.unlink()
    return count


def renew(connection: Connection, place: Place) -> None:
    """Say that the run is still held."""
    until = {"until": time.time() + LEASE_SECONDS}
    connection.execute(update(schema.lease).where(schema.lease.c.run == place.run).values(until))


def _before_fork() -> None:
    # Not in the middle of a transaction: the child would inherit SQLite's locks as they are.
    _held.extend(each for each in list(_writers) if not each.closed and each._lock.acquire(timeout=1))


def _after_fork_in_parent() -> None:
    while _held:
        _held.pop()._lock.release()


def _after_fork_in_child() -> None:
    _held.clear()
    for writer in list(_writers):
        writer.disown()


_held: list[Writer] = []
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
