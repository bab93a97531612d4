"""Rows of one dataset in the form of another."""

from __future__ import annotations

from typing import Any

import pytest
from datasets import ClassLabel, Dataset, Features, Sequence, Value

from modrack.data.conform import conform
from modrack.data.facts import derive
from modrack_registry.errors import UserError


def made(columns: dict[str, Any], **features: Any) -> Any:
    rows = Dataset.from_dict(columns, features=Features(features))
    data, _ = derive({"train": rows, "validation": rows, "test": rows}, name="made")
    return rows, data


def texts(names: list[str], labels: list[Any], text: str = "text", label: str = "label", several: bool = False) -> Any:
    kind = ClassLabel(names=names)
    return made(
        {text: [f"t{n}" for n in range(len(labels))], label: labels},
        **{text: Value("string"), label: Sequence(kind) if several else kind},
    )


def test_columns_and_classes_go_by_name() -> None:
    _, wanted = texts(["a", "b", "c"], [0, 1, 2, 0])
    rows, found = texts(["c", "a"], [0, 1, 0], "review", "mood")
    changed, notes = conform(rows, found, wanted, "new", "run 1")
    assert changed.column_names == ["text", "label"]
    assert changed["label"][:] == [2, 0, 2]
    assert changed.features == wanted.features
    assert notes == []
    stream, _ = conform(rows.to_iterable_dataset(), found, wanted, "new", "run 1")
    assert [row["label"] for row in stream] == [2, 0, 2]


def test_several_classes_a_row_too() -> None:
    _, wanted = texts(["a", "b", "c"], [[0], [1, 2], []], several=True)
    rows, found = texts(["c", "a"], [[0, 1], [], [1]], several=True)
    assert conform(rows, found, wanted, "new", "run 1")[0]["label"][:] == [[2, 0], [], [0]]


def test_rows_of_a_table() -> None:
    def table(jobs: list[str], rows: list[dict[str, Any]], **more: Any) -> Any:
        row = {"age": Value("float32"), "job": ClassLabel(names=jobs), **more}
        return made({"row": rows, "label": [0.5] * len(rows)}, row=row, label=Value("float32"))

    _, wanted = table(["a", "b"], [{"age": 1.0, "job": 0}, {"age": 2.0, "job": 1}])
    rows, found = table(
        ["b", "pilot"], [{"age": 3.0, "job": 0, "x": 1.0}, {"age": None, "job": 1, "x": 2.0}], x=Value("float32")
    )
    changed, notes = conform(rows, found, wanted, "new", "run 1")
    assert changed["row"][:] == [{"age": 3.0, "job": 1}, {"age": None, "job": None}]
    assert len(notes) == 1
    assert notes[0].startswith("job=pilot")
    with pytest.raises(UserError, match="new lacks a column of run 1: x"):
        conform(rows, wanted, found, "new", "run 1")


def test_what_does_not_fit() -> None:
    _, wanted = texts(["a", "b"], [0, 1])
    rows, found = texts(["a", "d", "e"], [0, 1, 2])
    with pytest.raises(UserError, match="new has 2 classes that run 1 was not trained on: d, e"):
        conform(rows, found, wanted, "new", "run 1")
    rows, found = made({"text": ["t"], "label": [0.5]}, text=Value("string"), label=Value("float32"))
    with pytest.raises(UserError, match="target number; run 1 was trained on class"):
        conform(rows, found, wanted, "new", "run 1")
