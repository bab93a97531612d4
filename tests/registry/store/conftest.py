from __future__ import annotations

import itertools
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from modrack_registry.store import Recorder, RunStart, Store, open_store


def facts(**more: Any) -> RunStart:
    """The facts of a small run."""
    known: dict[str, Any] = {
        "config": {"model": {"use": "modrack/cnn", "width": 64}, "seed": 7},
        "params": {"model.width": 64, "optimizer.lr": 0.01},
        "components": [
            {"kind": "model", "name": "cnn", "full": "modrack/cnn", "plugin": "modrack", "digest": "d1"},
            {"kind": "dataset", "name": "digits", "full": "modrack/digits", "plugin": "modrack", "digest": "d2"},
        ],
        "command": ["modrack", "train"],
        "seed": 7,
    }  # fmt: skip
    return RunStart(**(known | more))


@pytest.fixture
def start() -> Callable[..., RunStart]:
    return facts


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest) -> Store:
    """An empty store, once of each engine. MODRACK_DB leads to it, here and in the processes a test starts."""
    made: Store = request.getfixturevalue(f"{request.param}_store")
    return made


@pytest.fixture
def sqlite_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.delenv("MODRACK_DB", raising=False)
    made = open_store(tmp_path / "runs")
    yield made
    made.database.close()


@pytest.fixture
def postgresql_store(tmp_path: Path, postgresql_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setenv("MODRACK_DB", postgresql_url)
    made = open_store(tmp_path / "runs")
    yield made
    made.database.close()


@pytest.fixture
def recorder(store: Store) -> Iterator[Recorder]:
    made = store.start(facts())
    yield made
    made._writer.close()


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder that other users can enter."""
    made = Path(tempfile.mkdtemp(prefix="modrack-"))
    made.chmod(0o755)
    yield made
    made.chmod(0o755)
    shutil.rmtree(made)


@pytest.fixture
def postgresql_url(postgresql_server: str) -> Iterator[str]:
    """The URL of an empty PostgreSQL database."""
    import psycopg

    name = f"modrack_{next(_numbers)}"
    with psycopg.connect(f"{postgresql_server}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield f"{postgresql_server}/{name}"
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """A PostgreSQL server of this test session alone: the URL without a database."""
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    binaries = _binaries()
    if binaries is None:
        pytest.skip("there are no PostgreSQL server binaries (apt-get install postgresql)")
    # It refuses to run as root, so it gets a folder that its own user can enter.
    owner: dict[str, Any] = {"user": "postgres"} if hasattr(os, "geteuid") and os.geteuid() == 0 else {}
    folder = Path(tempfile.mkdtemp(prefix="modrack-pg-"))
    server: subprocess.Popen[bytes] | None = None
    try:
        if owner:
            shutil.chown(folder, "postgres")
        quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "cwd": folder, **owner}
        words = ("-D", str(folder / "data"))
        subprocess.run(
            [binaries / "initdb", *words, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"],
            check=True,
            timeout=120,
            **quiet,
        )
        port = _free_port()
        settings = [f"port={port}", "listen_addresses=127.0.0.1", f"unix_socket_directories={folder}", "fsync=off"]
        options = [word for each in settings for word in ("-c", each)]
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen([binaries / "postgres", *words, *options], stderr=log, **quiet)
        url = f"postgresql://postgres@127.0.0.1:{port}"
        _wait_until_it_answers(url, server, folder / "log")
        yield url
    finally:
        if server is not None:
            server.send_signal(2)  # SIGINT: do not wait for clients
            server.wait(timeout=60)
        shutil.rmtree(folder, ignore_errors=True)


def _binaries() -> Path | None:
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda each: float(each.parent.name), reverse=True)
    found = shutil.which("postgres")
    places += [Path(found).parent] if found else []
    return next((each for each in places if (each / "initdb").exists() and (each / "postgres").exists()), None)


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def _wait_until_it_answers(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    import psycopg

    deadline = time.monotonic() + 60
    while True:
        try:
            psycopg.connect(f"{url}/postgres", connect_timeout=5).close()
        except psycopg.OperationalError:
            if server.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"PostgreSQL did not start:\n{log.read_text()}")
            time.sleep(0.1)
        else:
            return
