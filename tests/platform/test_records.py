"""Runs out to other programs and in from them."""

from __future__ import annotations

import csv
import json
import math
import sqlite3

import pytest
from click.testing import CliRunner

from modrack.cli.runs_show import command as show
from modrack.records.export import export
from modrack.records.importing import bring_in
from modrack_registry.errors import UserError
from modrack_registry.store import RunStart, open_store


@pytest.fixture
def store(tmp_path):
    made = open_store(tmp_path / "home")
    for number, width in enumerate((8, "wide")):
        parts = [{"kind": "model", "name": "cnn", "full": "modrack/cnn", "plugin": "modrack"}]
        recorder = made.start(
            RunStart(config={}, params={"model.width": width, "sizes": [1, 2]}, components=parts, tags=["a", "b"])
        )
        for step in range(3):
            recorder.log(step, {"train.loss": math.nan if step == 1 else 1.0 / (step + 1), "x": float(number)})
        recorder.finish("finished", seconds=2.0)
    return made


def read(path):
    if path.suffix == ".csv":
        return list(csv.DictReader(path.open()))
    if path.suffix == ".json":
        return json.loads(path.read_text())
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text().splitlines()]
    import pyarrow.parquet as pq

    return pq.read_table(path).to_pylist()


@pytest.mark.parametrize("suffix", [".csv", ".json", ".jsonl", ".parquet"])
def test_runs_in_every_format(suffix, store, tmp_path):
    out = tmp_path / f"runs{suffix}"
    assert export(store.runs(), out) == 2
    rows = read(out)
    assert [str(row["id"]) for row in rows] == ["2", "1"]
    # A width that is a number in one run and a word in another is a word in a column of one type.
    assert [str(row["model.width"]) for row in rows] == ["wide", "8"]
    assert {row["tags"] for row in rows} == {"a,b"}
    assert {row["sizes"] for row in rows} == {"1,2"}
    assert [float(row["train.loss"]) for row in rows] == [pytest.approx(1 / 3)] * 2


@pytest.mark.parametrize("suffix", [".csv", ".json", ".jsonl", ".parquet"])
def test_points_in_every_format(suffix, store, tmp_path):
    out = tmp_path / f"points{suffix}"
    assert export(store.runs(), out, points=True) == 12
    rows = [row for row in read(out) if row["metric"] == "train.loss" and str(row["run"]) == "1"]
    assert [int(row["step"]) for row in rows] == [0, 1, 2]
    middle = rows[1]["value"]
    assert middle is None if suffix.startswith(".json") else math.isnan(float(middle))


def test_an_export_that_fails_leaves_nothing(store, tmp_path):
    with pytest.raises(UserError, match="cannot be written"):
        export(store.runs(), tmp_path / "no such folder" / "x.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


def mlflow(path):
    """The columns of MLflow's tables that are read, as its SQL store names them."""
    connection = sqlite3.connect(path)
    connection.executescript(
        """
        create table experiments (experiment_id integer primary key, name text);
        create table runs (run_uuid text primary key, name text, status text, start_time bigint, end_time bigint,
                           lifecycle_stage text, experiment_id integer);
        create table params (key text, value text, run_uuid text);
        create table tags (key text, value text, run_uuid text);
        create table metrics (key text, value double, timestamp bigint, run_uuid text, step bigint, is_nan boolean);
        insert into experiments values (1, 'digits');
        insert into runs values ('aa', 'first', 'FINISHED', 1700000000000, 1700000060000, 'active', 1);
        insert into runs values ('bb', 'second', 'RUNNING', 1700000100000, null, 'active', 1);
        insert into runs values ('cc', 'gone', 'FINISHED', 1700000100000, null, 'deleted', 1);
        insert into params values ('lr', '0.01', 'aa'), ('model', 'cnn', 'aa'), ('amsgrad', 'False', 'aa');
        insert into tags values ('mlflow.note.content', 'a note', 'aa'), ('paper', 'true', 'aa'), ('owner', 'me', 'aa');
        insert into metrics values ('loss', 0.5, 1700000010000, 'aa', 1, 0), ('loss', 0, 1700000020000, 'aa', 2, 1);
        """
    )
    connection.commit()
    connection.close()
    return path


def test_import_from_mlflow_once(tmp_path):
    store = open_store(tmp_path / "home")
    file = mlflow(tmp_path / "mlflow.db")
    assert bring_in("mlflow", file, store) == ([1, 2], 0)
    assert bring_in("mlflow", file, store) == ([], 2)
    first, second = store.get(1), store.get(2)
    assert (first.name, first.status, first.model, first.note, first.seconds) == (
        "first",
        "finished",
        "cnn",
        "a note",
        60,
    )
    assert first.started.timestamp() == 1700000000
    assert first.params["lr"] == 0.01
    assert first.params["amsgrad"] is False
    assert first.params["mlflow.experiment"] == "digits"
    assert first.tags == ["imported", "owner=me", "paper"]
    steps, values, times = first.history("loss")
    assert (steps, times) == ([1, 2], [10, 20])
    assert values[0] == 0.5
    assert math.isnan(values[1])
    assert second.status == "interrupted"


def test_an_imported_run_is_shown_without_what_it_has_not(tmp_path):
    store = open_store(tmp_path / "home")
    bring_in("mlflow", mlflow(tmp_path / "mlflow.db"), store)
    shown = CliRunner().invoke(show, ["1", "--home", str(tmp_path / "home")]).output
    assert "Run 1  first" in shown
    assert "seed" not in shown
    assert "command" not in shown


def test_import_from_tensorboard(tmp_path):
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(tmp_path / "logs" / "run-a") as writer:
        for step in range(5):
            writer.add_scalar("train/loss", 1 / (step + 1), step)
    store = open_store(tmp_path / "home")
    assert bring_in("tensorboard", tmp_path / "logs", store) == ([1], 0)
    assert bring_in("tensorboard", tmp_path / "logs", store) == ([], 1)
    run = store.get(1)
    assert run.name == "run-a"
    assert run.history("train.loss")[0] == [0, 1, 2, 3, 4]
    assert run.metrics["train.loss"] == pytest.approx(0.2)


def test_what_cannot_be_imported_is_said(tmp_path):
    store = open_store(tmp_path / "home")
    with pytest.raises(UserError, match="does not exist"):
        bring_in("mlflow", tmp_path / "nowhere.db", store)
    with pytest.raises(UserError, match="is a folder"):
        bring_in("mlflow", tmp_path, store)
    (tmp_path / "text.db").write_text("not a database, just some text that is long enough" * 40)
    with pytest.raises(UserError, match="is no database of MLflow"):
        bring_in("mlflow", tmp_path / "text.db", store)
    with pytest.raises(UserError, match="has no event files"):
        bring_in("tensorboard", tmp_path, store)
