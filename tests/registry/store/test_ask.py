"""SQL that reads, and nothing else, on both engines."""

from __future__ import annotations

import pytest

from modrack_registry.errors import UserError
from modrack_registry.store.ask import ask


@pytest.fixture
def filled(store, start):
    for number in range(3):
        recorder = store.start(start(params={"optimizer.lr": number / 10}))
        recorder.log(1, {"test.accuracy": number / 4})
        recorder.finish("finished")
    return store.database


def test_a_question_over_the_views(filled):
    answer = ask(filled, "select model, max(test_accuracy) as best, count(*) as n from v_runs group by model")
    assert answer.columns == ["model", "best", "n"]
    assert answer.rows == [("cnn", 0.5, 3)]
    assert ask(filled, "select optimizer_lr from v_runs order by id").rows == [(0.0,), (0.1,), (0.2,)]
    assert ask(filled, "select cast(id as text) || ':' || 'x' from v_runs where id = 1").rows == [("1:x",)]


def test_at_most_so_many_rows(filled):
    answer = ask(filled, "select id from v_runs order by id", most=2)
    assert (answer.rows, answer.more) == ([(1,), (2,)], True)
    assert not ask(filled, "select id from v_runs", most=3).more


@pytest.mark.parametrize(
    "sql",
    [
        "delete from run",
        "update run set name = 'x'",
        "insert into tag values (1, 'x')",
        "drop table run",
        "create table x (a int)",
        "with gone as (delete from run returning id) select * from gone",
        "select 1; delete from run",
        "pragma journal_mode = delete",
        "attach 'x.db' as x",
        "vacuum",
    ],
)
def test_what_changes_is_refused(sql, filled):
    with pytest.raises(UserError):
        ask(filled, sql)
    assert ask(filled, "select count(*) from run").rows == [(3,)]


def test_the_connection_may_write_again_afterwards(filled, store, start):
    with pytest.raises(UserError):
        ask(filled, "delete from run")
    assert store.start(start()).id == 4


def test_what_runs_for_ever_is_stopped(filled):
    endless = "with recursive c(x) as (select 1 union all select x + 1 from c) select count(*) from c"
    with pytest.raises(UserError, match=r"longer than 0\.3 s"):
        ask(filled, endless, seconds=0.3)


def test_wrong_sql_is_explained(filled, store):
    with pytest.raises(UserError, match="nowhere"):
        ask(filled, "select * from nowhere")
    with pytest.raises(UserError, match="There is no SQL"):
        ask(filled, "  ")
