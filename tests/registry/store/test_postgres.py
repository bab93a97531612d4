"""What only a server can do to a store: end its connections, be away, show half of what another one writes."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import func, select

from modrack_registry.errors import UserError
from modrack_registry.store import RunStart, Store, open_store, schema, spill


def end_connections(store: Store) -> None:
    """End all connections of the store's database but the one that says so."""
    import psycopg

    with psycopg.connect(store.database.url.render_as_string(hide_password=False), autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def test_connections_that_end_in_the_middle_lose_nothing(
    postgresql_store: Store, start: Callable[..., RunStart]
) -> None:
    recorder = postgresql_store.start(start())
    stop = threading.Event()

    def end() -> None:
        while not stop.wait(0.02):
            end_connections(postgresql_store)

    thread = threading.Thread(target=end)
    thread.start()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            for step in range(300):
                recorder.log(step, {"a": float(step)})
                recorder.event("step", {"n": step})
                recorder.flush()
        finally:
            stop.set()
            thread.join()
        recorder.finish("finished")
    assert len([each for each in caught if "Training goes on" in str(each.message)]) <= 1
    postgresql_store.recover()
    run = postgresql_store.get(recorder.id)
    assert run.status == "finished"
    assert run.history("a")[1] == [float(step) for step in range(300)]
    with postgresql_store.database.read() as connection:
        assert connection is not None
        assert connection.execute(select(func.count()).select_from(schema.event)).scalar() == 300


def test_a_server_that_is_away(tmp_path: Path, start: Callable[..., RunStart]) -> None:
    store = open_store(tmp_path, "postgresql://me:secret@127.0.0.1:1/runs")
    for ask in (lambda: list(store.runs()), lambda: store.start(start())):
        with pytest.raises(UserError, match=r"me:\*\*\*@127") as caught:
            ask()
        assert "secret" not in str(caught.value)
        assert "Is the server running" in (caught.value.hint or "")


def test_a_server_that_goes_away_while_a_run_is_recorded(
    postgresql_store: Store, start: Callable[..., RunStart]
) -> None:
    import psycopg

    recorder = postgresql_store.start(start())
    url = postgresql_store.database.url
    with psycopg.connect(url.set(database="postgres").render_as_string(), autocommit=True) as admin:
        admin.execute(f"ALTER DATABASE {url.database} ALLOW_CONNECTIONS false")
        end_connections_of = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
        admin.execute(end_connections_of, (url.database,))
        recorder.log(0, {"a": 1.0})
        with pytest.warns(UserWarning, match="Training goes on"):
            recorder.flush()
        assert spill.waits(recorder.folder)
        admin.execute(f"ALTER DATABASE {url.database} ALLOW_CONNECTIONS true")
    recorder.log(1, {"a": 2.0})
    recorder.finish("finished")
    assert not spill.waits(recorder.folder)
    assert postgresql_store.get(recorder.id).history("a")[1] == [1.0, 2.0]


def test_a_reader_sees_one_moment(postgresql_store: Store, start: Callable[..., RunStart]) -> None:
    postgresql_store.start(start()).finish("finished")
    count = select(func.count()).select_from(schema.run)
    with postgresql_store.database.read() as connection:
        assert connection is not None
        assert connection.execute(count).scalar() == 1
        postgresql_store.start(start()).finish("finished")
        assert connection.execute(count).scalar() == 1
    assert len(postgresql_store.runs()) == 2


def test_another_programs_database_is_left_alone(postgresql_store: Store, start: Callable[..., RunStart]) -> None:
    """MLflow's tables are called otherwise but for some: those of another shape are not taken for ours."""
    import psycopg

    with psycopg.connect(postgresql_store.database.url.render_as_string()) as connection:
        connection.execute("CREATE TABLE run (run_uuid text PRIMARY KEY)")
    with pytest.raises(UserError, match="holds tables of another program: run"):
        postgresql_store.start(start())
    assert len(postgresql_store.runs()) == 0
    with psycopg.connect(postgresql_store.database.url.render_as_string()) as connection:
        assert connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone() == (1,)
