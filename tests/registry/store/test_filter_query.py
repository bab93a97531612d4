"""Asking a store: keys that are looked up, orders, pages, columns, the best run, what stands for a run."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import delete, event, update

from modrack_registry.errors import UserError
from modrack_registry.store import RunStart, Store, schema


@pytest.fixture
def filled(store: Store, start: Callable[..., RunStart]) -> Store:
    """Five runs: lr 0.1 … 0.5, accuracy rising to the third run and missing in the last."""
    for number in range(1, 6):
        params = {"optimizer.lr": number / 10, "model.width": 2**number, "device": "auto", "dataset.path": "../data"}
        recorder = store.start(start(name=f"run {number}", params=params, tags=["odd"] if number % 2 else []))
        for split in ("validation", "test") if number < 5 else ("validation",):
            recorder.log(0, {f"{split}.accuracy": 0.1 * number if number < 4 else 0.2})
        recorder.log(1, {"train.loss": 1 / number, "train.lr": 1.0, "speed": float(number)})
        recorder.set(better={"validation.accuracy": "higher", "accuracy": "higher"})
        recorder.finish("finished", seconds=10.0 * number)
    return store


def ids(store: Store, filter: str, *sort: str) -> list[int]:
    return [run.id for run in store.runs(filter).sort(*sort)]


def test_keys_are_found_by_the_end_of_their_path(filled: Store) -> None:
    assert ids(filled, "lr<0.25") == [2, 1]  # the option, though there is a metric train.lr
    assert ids(filled, "lr@last=1") == [5, 4, 3, 2, 1]  # only a metric has a last value
    assert ids(filled, "width in(2,8)") == [3, 1]
    assert ids(filled, "loss<0.3") == [5, 4]
    assert ids(filled, "test.accuracy>=0.2 tag:odd") == [3]
    assert ids(filled, "model=cnn dataset=modrack/digits plugin=modrack name='run 2'") == [2]
    assert ids(filled, "path=../data seconds=..20 started>1h") == [2, 1]
    assert ids(filled, "-test.accuracy=*") == [5]


MISTAKES = [
    ("accuracy>0.5", 0, "It is test.accuracy or validation.accuracy."),
    ("lr<1 acuracy>0.5", 5, "Did you mean"),
    ("modle=cnn", 0, "Did you mean model"),
    ("optimizer.ls=1", 0, "Did you mean optimizer.lr"),
    ("test.accuracy@mx>1", 13, "@last, @min"),
    ("lr@best>1", 0, "Ask for train.lr@max or train.lr@min."),
    ("model@max=1", 0, "There is no metric `model`."),
    ("lr<fast", 3, "optimizer.lr is a number, and `fast` is none"),
    ("lr=fast", 3, "is a number"),
    ("device<5", 7, "device is a text, and `5` a number"),
    ("lr~1", 3, "~ looks into texts"),
    ("test.accuracy>high", 14, "`high` is no number"),
    ("test.accuracy=nan", 14, "@nans>0"),
    ("test.accuracy=0.9..0.1", 14, "runs backwards"),
    ("seconds<5x", 8, "`5x` is no number"),
    ("started>2026-02-30", 8, "no date that there is"),
    ("started>soon", 8, "`soon` is no date"),
    ("started=2d", 8, "Within it is >2d"),
    ("started=2d..7d", 8, "runs backwards"),
    ("status=runing", 7, "Did you mean running?"),
    ("status<lost", 7, "It takes = != ~ !~"),
    ("tag<a", 4, "It takes = != ~ !~"),
    ("id in(1,two)", 8, "`two` is no number"),
]


def test_a_mistake_is_shown_where_it_is(filled: Store) -> None:
    for filter, at, said in MISTAKES:
        with pytest.raises(UserError) as caught:
            list(filled.runs(filter))
        lines = caught.value.lines
        assert said in "\n".join(lines), filter
        assert lines[1] == f"  {filter}"
        assert lines[2].index("^") - 2 == at, filter
        assert len(lines) <= 4
    assert ids(filled, 'lr="0.1"') == []  # a text, which no run has there


def test_two_mistakes_are_told_at_once(filled: Store) -> None:
    with pytest.raises(UserError) as caught:
        list(filled.runs("modle=cnn lr<fast zz=1"))
    assert [line for line in caught.value.lines if "^" in line] == ["  ^", "               ^"]
    assert len(caught.value.lines) <= 8


def test_an_empty_store_knows_its_attributes(store: Store) -> None:
    assert list(store.runs("model=cnn tag:x started>2d status=lost")) == []
    assert store.runs("model=cnn").count() == 0
    assert not store.runs()
    with pytest.raises(UserError, match="no attribute, option or metric `lr`"):
        list(store.runs("lr<1"))
    with pytest.raises(UserError, match="no attribute"):
        store.runs().sort("lr").page()
    with pytest.raises(UserError):
        store.runs("(")


def test_runs_come_sorted_and_what_is_missing_last(filled: Store) -> None:
    assert ids(filled, "") == [5, 4, 3, 2, 1]
    assert ids(filled, "", "-test.accuracy") == [3, 4, 2, 1, 5]
    assert ids(filled, "", "test.accuracy") == [1, 2, 4, 3, 5]
    assert ids(filled, "", "test.accuracy", "-lr") == [1, 4, 2, 3, 5]
    assert ids(filled, "tag:odd", "-seconds") == [5, 3, 1]
    assert ids(filled, "", "name") == [1, 2, 3, 4, 5]
    assert [run.id for run in filled.runs().sort("lr").limit(2)] == [1, 2]
    for several in ("tag", "plugin", "metric"):
        with pytest.raises(UserError):
            ids(filled, "", several)


def test_pages_go_on_where_the_one_before_ended(filled: Store, start: Callable[..., RunStart]) -> None:
    query = filled.runs().sort("-test.accuracy")
    page = query.page(2)
    assert [run.id for run in page.runs] == [3, 4]
    recorder = filled.start(start())
    recorder.log(0, {"test.accuracy": 1.0})
    recorder.finish("finished")
    assert [run.id for run in query.page(2, page.after).runs] == [2, 1]
    assert [run.id for run in query.after(page.after)] == [2, 1, 5]
    assert len(query.after(page.after)) == 3
    assert [run.id for run in query.after(page.after).limit(1)] == [2]
    assert query.page(6).after is None
    for wrong in ("", "x", "bm8", (page.after or "")[:-3]):
        with pytest.raises(UserError):
            query.after(wrong or " ").page(2)
    with pytest.raises(UserError, match=r"sorted by -test\.accuracy"):
        filled.runs().sort("lr").page(2, page.after)


def test_a_query_tells_its_length_and_does_not_change(filled: Store) -> None:
    query = filled.runs("lr<0.45")
    assert len(query) == query.count() == 4
    assert len(query.limit(2)) == 2
    assert query.limit(2).count() == 4
    assert len(query.limit(9)) == 4
    assert query.limit(0).to_list() == []
    assert query[0].id == 4
    assert query[-1].id == 1
    assert query[3].id == 1
    with pytest.raises(IndexError):
        query[4]
    first = query.first()
    assert first is not None
    assert first.id == 4
    assert filled.runs("lr>9").first() is None
    assert bool(query)
    assert repr(query).startswith("<4 runs of ")
    assert query.select_ids() == [4, 3, 2, 1]


def test_a_long_list_is_read_in_pieces(store: Store, start: Callable[..., RunStart], monkeypatch: Any) -> None:
    monkeypatch.setattr("modrack_registry.store.query._FIRST", 2)
    monkeypatch.setattr("modrack_registry.store.query._MORE", 3)
    for _ in range(9):
        store.start(start()).finish("finished")
    read: list[str] = []
    event.listen(store.database.engine, "before_cursor_execute", lambda *each: read.append(each[2]))
    runs = iter(store.runs())
    assert next(runs).id == 9
    seen = len(read)
    store.start(start()).finish("finished")  # nothing is held open that a writer would wait for
    assert [run.id for run in runs] == [8, 7, 6, 5, 4, 3, 2, 1]
    assert len(read) > seen
    assert [run.id for run in store.runs().limit(6)] == [10, 9, 8, 7, 6, 5]
    assert [row["id"] for row in store.runs().columns("id").limit(7).rows()] == [10, 9, 8, 7, 6, 5, 4]


def test_the_best_run_goes_by_the_metric_s_direction(filled: Store) -> None:
    assert filled.runs().best("test.accuracy").id == 3  # `accuracy` is better higher
    assert filled.runs("lr<0.25").best("test.accuracy").id == 2
    assert filled.runs().best("loss").id == 5
    assert filled.runs().best("validation.accuracy@last").id == 3
    assert ids(filled, "validation.accuracy@best>0.25") == [3]
    with pytest.raises(UserError, match="Sort by it: -speed"):
        filled.runs().best("speed")
    with pytest.raises(UserError, match="ambiguous"):
        filled.runs().best("accuracy")
    with pytest.raises(UserError, match="None of these runs"):
        filled.runs("id=5").best("test.accuracy")


def test_chosen_columns_are_read_alone(filled: Store) -> None:
    query = filled.runs("id in(4,5)").columns(
        "id", "lr", "test.accuracy", "tag", "model", "plugin", "status", "started"
    )
    five, four = query.to_list()
    assert isinstance(five.pop("started"), datetime)
    assert five == {
        **{"id": 5, "lr": 0.5, "test.accuracy": None, "tag": ["odd"], "model": "cnn"},
        **{"plugin": ["modrack"], "status": "finished"},
    }
    assert four["test.accuracy"] == 0.2
    with pytest.raises(UserError, match="Did you mean"):
        filled.runs().columns("modle").to_list()
    with pytest.raises(UserError, match="has no order"):
        filled.runs().columns("-lr")


def test_a_data_frame_has_a_row_for_each_run(filled: Store) -> None:
    pandas = pytest.importorskip("pandas")
    frame = filled.runs().to_pandas()
    assert list(frame["id"]) == [5, 4, 3, 2, 1]
    assert list(frame["optimizer.lr"]) == [0.5, 0.4, 0.3, 0.2, 0.1]
    assert pandas.isna(frame["test.accuracy"][0])
    assert list(filled.runs().sort("id").columns("id", "lr").to_pandas().columns) == ["id", "lr"]
    assert list(filled.runs("lr>9").columns("id", "lr").to_pandas().columns) == ["id", "lr"]


def test_without_pandas_it_is_said_what_is_missing(filled: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(UserError, match="pip install pandas"):
        filled.runs().to_pandas()


def test_a_status_is_the_true_one(store: Store, start: Callable[..., RunStart]) -> None:
    store.start(start()).finish("failed", reason="broke")
    code = (
        "import os, sys; from pathlib import Path; from modrack_registry.store import RunStart, open_store; "
        "recorder = open_store(Path(sys.argv[1])).start(RunStart(config={}, params={}, components=[])); os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", code, str(store.home)], check=True)
    here = store.start(start())
    waits = store.start(start())
    waits._writer.close()
    with store.database.write() as connection:
        connection.execute(delete(schema.lease).where(schema.lease.c.run == waits.id))
        connection.execute(update(schema.run).where(schema.run.c.id == waits.id).values(status="queued"))
    assert ids(store, "status=lost") == [4, 2]
    assert ids(store, "status=running") == [3]
    assert ids(store, "status!=lost") == [3, 1]
    assert ids(store, "-status in(lost,failed)") == [3]
    assert ids(store, "status=*l*") == [4, 2, 1]
    assert ids(store, "", "status") == [1, 2, 4, 3]
    assert [row["status"] for row in store.runs().columns("status").rows()] == ["lost", "running", "lost", "failed"]
    here.finish("finished")
    assert ids(store, "status=running") == []


def test_it_is_explained_how_a_filter_is_read(filled: Store) -> None:
    said = filled.runs("lr<0.25 -(tag:odd|test.accuracy@best>0.5) started>2d").sort("-loss").limit(5).explain()
    for words in (
        "the option optimizer.lr is below 0.25",
        "not\n      at least one of\n        a tag is the text `odd`",
        "the best value of the metric test.accuracy (max) is above 0.5",
        f"the attribute started is after {time.strftime('%Y')}-",
        "sorted by the last value of the metric train.loss, the greatest first",
        "EXISTS (SELECT",
        "0.25",
    ):
        assert words in said, said
    if filled.database.sqlite:
        assert "SEARCH lead USING COVERING INDEX series_by_last" in said


def test_references(filled: Store) -> None:
    assert filled.resolve("3") == 3
    assert filled.resolve("@last") == 5
    assert filled.resolve("@last:lr<0.25") == 2
    assert filled.resolve("@best:test.accuracy") == 3
    assert filled.resolve("@best:test.accuracy lr<0.25") == 2
    for wrong, said in [
        ("99", "There is no run 99"),
        ("9" * 30, "There is no run"),
        ("@last:lr>5", "No run fits"),
        ("@last:lr>", "lacks a value"),
        ("@best", "lacks a metric"),
        ("@best:", "lacks a metric"),
        ("@worst:loss", "names no run"),
        ("abc", "names no run"),
        ("-1", "names no run"),
        ("", "names no run"),
    ]:
        with pytest.raises(UserError, match=said):
            filled.resolve(wrong)


def test_a_deleted_run_is_not_found(filled: Store) -> None:
    with filled.database.write() as connection:
        connection.execute(update(schema.run).where(schema.run.c.id == 3).values(deleted=time.time()))
    assert ids(filled, "lr=0.3") == []
    assert ids(filled, "", "-test.accuracy") == [4, 2, 1, 5]
    assert filled.runs().best("test.accuracy").id in (2, 4)
    assert filled.runs().count() == 4
