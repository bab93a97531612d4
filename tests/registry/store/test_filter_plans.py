"""A list, a filter, an order: each is answered from summaries by an index, and reads no point."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import event

from modrack_registry.store import RunStart, Store, planning


@pytest.fixture
def plans(store: Store, start: Callable[..., RunStart]) -> Callable[[Callable[[Store], Any]], list[str]]:
    """SQLite's plans of all that is asked, of a store with a few runs and points."""
    for number in range(4):
        params = {"optimizer.lr": number / 10, "model.norm": "batch"}
        recorder = store.start(start(name=f"run {number}", params=params, tags=["kept"]))
        recorder.set(better={"test.accuracy": "higher"})
        for step in range(3):
            recorder.log(step, {"test.accuracy": step / 10 + number, "train.loss": 1.0})
        recorder.finish("finished")
    if not store.database.sqlite:
        pytest.skip("the plans are SQLite's")

    def plans(ask: Callable[[Store], Any]) -> list[str]:
        asked: list[tuple[str, Any]] = []

        def note(_c: object, _u: object, statement: str, parameters: Any, *_: object) -> None:
            asked.append((statement, parameters))

        event.listen(store.database.engine, "before_cursor_execute", note)
        try:
            ask(store)
        finally:
            event.remove(store.database.engine, "before_cursor_execute", note)
        with store.database.read() as connection:
            assert connection is not None
            return [
                "\n".join(row[-1] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {said}", values))
                for said, values in asked
                if said.startswith("SELECT")
            ]

    return plans


def as_if_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plan as for a store in which walking along all runs is slow."""
    monkeypatch.setattr(planning, "SMALL", 0)
    monkeypatch.setattr(planning, "_SHORT", 0)


QUESTIONS: dict[str, Callable[[Store], Any]] = {
    "first page": lambda store: store.runs().page(2),
    "three terms": lambda store: store.runs("model=cnn lr<0.9 test.accuracy>0.1").page(2),
    "or, not, sets": lambda store: store.runs("-(tag:x | lr in(1,2)) norm=b* started>2d status=finished").page(2),
    "sorted by a metric": lambda store: store.runs().sort("-test.accuracy").page(2),
    "sorted by a metric's best": lambda store: store.runs("lr>0").sort("-test.accuracy@best", "lr").page(2),
    "sorted by an option": lambda store: store.runs().sort("lr").page(2),
    "best run": lambda store: store.runs().best("test.accuracy"),
    "best of a filter": lambda store: store.runs("tag:kept plugin=modrack").best("test.accuracy"),
    "compare two": lambda store: list(store.runs("id in(1,2)")),
    "count": lambda store: store.runs("test.accuracy@min>0 name~run").count(),
    "columns": lambda store: store.runs().columns("lr", "test.accuracy@max", "status", "tag").to_list(),
    "one run": lambda store: store.get(store.resolve("@last")),
}


@pytest.mark.parametrize("large", [False, True])
def test_no_question_touches_a_point(
    plans: Callable[..., list[str]], large: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if large:
        as_if_large(monkeypatch)
    for question, ask in QUESTIONS.items():
        found = plans(ask)
        assert found, question
        for plan in found:
            assert not re.search(r"\bpoint\b", plan), plan
            # Walking along runs by number is how a page of the newest is found; the big tables are only searched.
            assert not re.search(r"SCAN (series|param|tag|used|lead|other)\b", plan), (question, plan)


def test_sorting_by_a_metric_or_an_option_walks_its_index(plans: Callable[..., list[str]]) -> None:
    def pages(store: Store) -> None:
        for key in ("-test.accuracy", "test.accuracy@max", "test.accuracy@min", "lr", "-norm"):
            page = store.runs().sort(key).page(2)
            store.runs().sort(key).page(1, page.after)

    sorted_ = [plan for plan in plans(pages) if "lead" in plan]
    assert len(sorted_) >= 10
    for plan in sorted_:
        assert re.search(r"SEARCH lead USING (COVERING )?INDEX (series|param)_by_", plan), plan
        assert "TEMP B-TREE" not in plan, plan


def test_few_runs_are_found_by_the_index_of_their_term(
    plans: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    as_if_large(monkeypatch)
    found = "\n".join(plans(lambda store: store.runs("lr=0.1 norm=batch").sort("-test.accuracy").page(50)))
    assert "SEARCH run USING INTEGER PRIMARY KEY (rowid=?)" in found
    assert "SEARCH param USING COVERING INDEX param_by_number (name=? AND number=?)" in found


def test_a_term_of_many_runs_does_not_make_the_list_be_sorted(plans: Callable[..., list[str]]) -> None:
    for plan in plans(lambda store: store.runs("started>2d status=finished name=run*").page(2)):
        assert "TEMP B-TREE FOR ORDER BY" not in plan or "tag" in plan or "series" in plan, plan


@pytest.mark.parametrize("large", [False, True])
def test_both_ways_find_the_same(
    store: Store, start: Callable[..., RunStart], large: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if large:
        as_if_large(monkeypatch)
    for number in range(6):
        recorder = store.start(start(params={"optimizer.lr": number / 10}, tags=["even"] if number % 2 == 0 else []))
        if number:
            recorder.log(0, {"test.accuracy": (number * 7) % 5})
        recorder.finish("finished")
    for filter, expected in [
        ("lr=0.2", [3]),
        ("lr>0.1 tag:even", [5, 3]),
        ("test.accuracy>=2 lr<9 model=cnn", [5, 3, 2]),
        ("tag:even -(lr=0.4|lr=0)", [3]),
        ("lr=5", []),
        ("id>4 status=finished", [6, 5]),
    ]:
        assert store.runs(filter).select_ids() == expected, filter
        assert store.runs(filter).count() == len(expected)
    assert store.runs("tag:even").sort("-test.accuracy").select_ids() == [3, 5, 1]
    assert store.runs("tag:even").sort("-test.accuracy").page(1).after is not None
