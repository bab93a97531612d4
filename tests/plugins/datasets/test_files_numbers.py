"""Columns of numbers with something else among them, of a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import modrack
from modrack.runner.remeasure import remeasure

ROWS = 60


def write(path: Path, header: str, *columns: Any, odd: dict[tuple[int, int], str] | None = None) -> Path:
    """A csv whose cell (column, row) is that of the column's function, or the one of `odd`."""
    rows = [[(odd or {}).get((at, row), str(cell(row))) for at, cell in enumerate(columns)] for row in range(ROWS)]
    path.write_text("\n".join([header, *(";".join(row) for row in rows)]) + "\n")
    return path


def table(path: Path, odd: dict[tuple[int, int], str] | None = None) -> Path:
    return write(path, "size;height;price", lambda n: n % 11, lambda n: n / 7, lambda n: n * 1.5 + 0.25, odd=odd)


def words(path: Path, home: Path, **more: Any) -> dict[str, Any]:
    return {
        "dataset": "files", "dataset.path": str(path), "dataset.label": "price", "model": "mlp", "epochs": 1,
        "threads": 1, "home": home / "home", **more,
    }  # fmt: skip


@pytest.mark.parametrize("named", [{}, {"dataset.columns": ["size", "height"]}])
def test_a_word_among_the_numbers_of_a_column_is_told_with_its_row(named: dict[str, Any], tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", {(1, 8): "oops"})
    said = r"a\.csv, row 9: in the column 'height' 'oops' is no number, and 59 other rows have one there"
    with pytest.raises(modrack.UserError, match=said):
        modrack.train(**words(path, tmp_path, **named))


def test_commas_in_the_place_of_points(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.csv", "size;height;price", lambda n: n, lambda n: f"{n / 8}".replace(".", ","), lambda n: n / 3
    )
    with pytest.raises(modrack.UserError, match=r"row 1: in the column 'height' '0,0' is no number") as caught:
        modrack.train(**words(path, tmp_path))
    assert caught.value.hint == "Write a point in the place of its comma."


@pytest.mark.parametrize("label", ["price", "price,size"])
def test_a_word_among_the_numbers_to_learn_makes_no_classes_of_them(label: str, tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", {(2, 4): "abc"})
    with pytest.raises(modrack.UserError, match="row 5: the label 'abc' is no number, and 59 other rows have one"):
        modrack.train(**words(path, tmp_path) | {"dataset.label": label})


def test_few_words_among_texts_of_digits_are_classes(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "size;grade", lambda n: n, lambda n: n % 4, odd={(1, 3): "x", (1, 9): "x"})
    run = modrack.train(**words(path, tmp_path) | {"dataset.label": "grade"})
    assert run.data["classes"] == ["0", "1", "2", "3", "x"]


def test_other_data_with_a_word_among_the_numbers(tmp_path: Path) -> None:
    run = modrack.train(**words(table(tmp_path / "a.csv"), tmp_path))
    for odd, said in (
        ({(1, 8): "oops"}, r"row 9: in the column 'height' 'oops' is no number, and 59 other rows have one"),
        ({(2, 4): "abc"}, r"row 5: the label 'abc' is no number, and those of train are"),
    ):
        other = table(tmp_path / "other.csv", odd)
        with pytest.raises(modrack.UserError, match=said):
            remeasure(run, words=[f"dataset.path={other}"])


def test_numbers_spelled_as_texts_are_those(tmp_path: Path) -> None:
    run = modrack.train(**words(table(tmp_path / "a.csv"), tmp_path))
    other = tmp_path / "other.jsonl"
    rows = [f'{{"size": "{n % 11}", "height": {n / 7}, "price": "{n * 1.5 + 0.25}"}}' for n in range(ROWS)]
    other.write_text("\n".join(rows) + "\n")
    same = [remeasure(run, words=[f"dataset.path={path}"]).measured.values for path in (tmp_path / "a.csv", other)]
    assert same[0] == same[1]


@pytest.mark.parametrize("value", ["inf", float("-inf"), 1e39])
def test_an_endless_number_is_not_predicted_from(value: Any, tmp_path: Path) -> None:
    run = modrack.train(**words(table(tmp_path / "a.csv"), tmp_path))
    with pytest.raises(modrack.UserError, match="in the column 'height' is no number to compute with"):
        run.predict({"size": 3, "height": value})


def test_a_separator_is_for_one_column(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv")
    with pytest.raises(modrack.UserError, match=r"between the labels of one column, and dataset\.label names 2"):
        modrack.train(**words(path, tmp_path) | {"dataset.label": "size,price", "dataset.separator": "|"})
