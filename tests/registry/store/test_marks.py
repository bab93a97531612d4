"""Tags, notes, removing, restoring and deleting for good."""

from __future__ import annotations

import pytest

from modrack_registry.errors import UserError
from modrack_registry.store import RunStart, Store, open_store


@pytest.fixture
def store(tmp_path) -> Store:
    made = open_store(tmp_path / "home")
    for name in ("one", "two", "three"):
        recorder = made.start(
            RunStart(config={}, params={"lr": 0.1}, components=[], name=name, packages={"torch": "2"})
        )
        recorder.log(1, {"loss": 0.5})
        recorder.finish("finished", seconds=1.0)
    return made


def test_tags_are_added_and_taken_away(store):
    store.tag(1, add=["paper", "baseline", "paper"])
    store.tag(1, add=["baseline"], remove=["paper", "never there"])
    assert store.get(1).tags == ["baseline"]
    with pytest.raises(UserError, match="at least one character"):
        store.tag(1, add=[" "])
    with pytest.raises(UserError, match="There is no run 9"):
        store.tag(9, add=["x"])


def test_a_note_replaces_the_one_before(store):
    store.note(2, "first")
    store.note(2, "second")
    assert store.get(2).note == "second"
    store.note(2, "")
    assert store.get(2).note is None


def test_a_removed_run_is_in_no_list_and_comes_back(store):
    store.remove(2)
    assert [run.id for run in store.runs()] == [3, 1]
    store.restore(2)
    assert [run.id for run in store.runs()] == [3, 2, 1]
    assert store.get(2).history("loss")[1] == [0.5]
    with pytest.raises(UserError, match="was not removed"):
        store.restore(2)


def test_a_running_run_is_not_removed(store):
    recorder = store.start(RunStart(config={}, params={}, components=[]))
    with pytest.raises(UserError, match="is running"):
        store.remove(recorder.id)
    recorder.finish("finished")


def test_collect_deletes_what_was_removed_long_enough_ago(store):
    store.remove(1)
    store.remove(3)
    folders = [store.get(run).folder for run in (1, 2, 3)]
    assert store.collect(3600) == []
    assert store.collect(0, only_count=True) == [1, 3]
    assert all(folder.is_dir() for folder in folders)
    assert store.collect(0) == [1, 3]
    assert [folder.is_dir() for folder in folders] == [False, True, False]
    with pytest.raises(UserError, match="There is no run 1"):
        store.get(1)
    # What the others share with them stays.
    assert store.get(2).packages == {"torch": "2"}
    with store.database.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM point").scalar() == 1
    # A number is never given twice.
    assert store.start(RunStart(config={}, params={}, components=[])).id == 4
