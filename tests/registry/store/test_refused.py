"""Files that are not ours, damaged, newer, or in a place where SQLite cannot be safe."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from modrack_registry.errors import UserError
from modrack_registry.store import RunStart, Store, database, open_store
from modrack_registry.store.files import check_local

on_sqlite = pytest.mark.parametrize("store", ["sqlite"], indirect=True)


def refused(store: Store, start: RunStart) -> str:
    """What reading and writing both say."""
    before = (store.database.path or Path()).read_bytes()
    with pytest.raises(UserError) as reading:
        list(store.runs())
    with pytest.raises(UserError) as writing:
        store.start(start)
    assert reading.value.message == writing.value.message
    assert reading.value.hint
    assert (store.database.path or Path()).read_bytes() == before
    return reading.value.message


@on_sqlite
def test_a_text_file(store: Store, start: Callable[..., RunStart]) -> None:
    store.home.mkdir()
    (store.home / "runs.db").write_text("these are not runs " * 20)
    assert "is not a SQLite database" in refused(store, start())


@on_sqlite
def test_another_programs_database(store: Store, start: Callable[..., RunStart]) -> None:
    store.home.mkdir()
    raw = sqlite3.connect(store.home / "runs.db")
    raw.execute("CREATE TABLE runs (run_uuid)")
    raw.close()
    assert "another program" in refused(store, start())


@on_sqlite
def test_a_newer_schema(store: Store, start: Callable[..., RunStart]) -> None:
    store.start(start()).finish("finished")
    with store.database.write() as connection:
        connection.exec_driver_sql("UPDATE modrack_version SET version_num = '9999'")
    assert "newer modrack" in refused(open_store(store.home), start())


@on_sqlite
def test_a_damaged_file(store: Store, start: Callable[..., RunStart]) -> None:
    store.start(start()).finish("finished")
    store.database.close()
    path = store.home / "runs.db"
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))
    with pytest.raises(UserError, match="is damaged") as caught:
        list(open_store(store.home).runs())
    assert "backup" in (caught.value.hint or "")


@on_sqlite
def test_an_empty_file_is_one_that_was_about_to_be_made(store: Store, start: Callable[..., RunStart]) -> None:
    store.home.mkdir()
    (store.home / "runs.db").touch()
    assert len(store.runs()) == 0
    store.start(start()).finish("finished")
    assert len(store.runs()) == 1


def test_a_home_that_cannot_be(tmp_path: Path, start: Callable[..., RunStart]) -> None:
    (tmp_path / "file").write_text("")
    for home in (tmp_path / "file", tmp_path / "file" / "below", tmp_path / "file" / "far" / "below"):
        with pytest.raises(UserError, match="file") as caught:
            open_store(home).start(start())
        assert "MODRACK_HOME" in (caught.value.hint or "")


@pytest.mark.parametrize("url", ["mysql://host/db", "nonsense", "sqlite+nothing"])
def test_a_url_that_cannot_be(tmp_path: Path, url: str) -> None:
    with pytest.raises(UserError, match="MODRACK_DB"):
        open_store(tmp_path, url)


def test_network_file_systems() -> None:
    mounts = "/dev/sda / ext4 rw 0 0\nserver:/x /net\\040a nfs4 rw 0 0\n/dev/sdb /net\\040a/local ext4 rw 0 0\n"
    check_local(Path("/home/me/runs.db"), mounts)
    check_local(Path("/net a/local/runs.db"), mounts)
    check_local(Path("/net ab/runs.db"), mounts)
    with pytest.raises(UserError, match="network file system"):
        check_local(Path("/net a/me/runs.db"), mounts)


@pytest.mark.parametrize(
    ("library", "safe"),
    [
        ((3, 40, 1), False), ((3, 44, 5), False), ((3, 44, 6), True), ((3, 45, 0), False), ((3, 50, 6), False),
        ((3, 50, 7), True), ((3, 51, 2), False), ((3, 51, 3), True), ((3, 52, 0), True), ((4, 0, 0), True),
    ],
)  # fmt: skip
def test_wal_only_where_the_library_is_fixed(library: tuple[int, int, int], safe: bool) -> None:
    assert database.wal_is_safe(library) is safe


@on_sqlite
def test_a_wal_file_works(store: Store, start: Callable[..., RunStart], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "wal_is_safe", lambda: True)
    recorder = store.start(start())
    recorder.log(0, {"a": 1.0})
    recorder.flush()
    assert (store.home / "runs.db-wal").exists()
    assert store.get(1).metrics == {"a": 1.0}
    recorder.finish("finished")
