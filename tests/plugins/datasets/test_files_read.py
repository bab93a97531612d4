"""What `files` makes of files as people have them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from datasets import ClassLabel, Dataset, Features, Value

from modrack.data.facts import derive
from modrack.data.rows import chunks
from modrack_registry.registry import load_registry

ROWS = [("a fine film", "good"), ("dull, and long", "bad"), ('she said "no"', "bad"), ("so\ngood", "good")]


def read(path: Path | str, **options: Any) -> Any:
    component = load_registry().find("dataset", "files")
    defaults = {name: option.default for name, option in component.options.items()}
    return component.make({}, {**defaults, "path": str(path), **options})


def facts(made: Any) -> Any:
    component = load_registry().find("dataset", "files")
    return derive(made, name="files", gives=component.facts["gives"], target=component.facts["target"])[0]


def write(path: Path, rows: list[tuple[Any, ...]], header: tuple[str, ...] = ("text", "label")) -> Path:
    """In the format that the file's name says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        parquet.write_table(
            pa.table({name: list(column) for name, column in zip(header, zip(*rows, strict=True), strict=True)}), path
        )
    elif path.suffix in (".jsonl", ".ndjson"):
        path.write_text(
            "".join(json.dumps(dict(zip(header, row, strict=True))) + "\n" for row in rows), encoding="utf-8"
        )
    elif path.suffix == ".json":
        path.write_text(json.dumps([dict(zip(header, row, strict=True)) for row in rows]))
    else:
        import csv

        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, delimiter="\t" if path.suffix == ".tsv" else ",")
            writer.writerows([header, *rows])
    return path


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.ndjson", "a.json", "a.parquet"])
def test_formats_say_the_same(name: str, tmp_path: Path) -> None:
    made = read(write(tmp_path / name, ROWS))
    assert list(made) == ["train"]
    assert made["train"]["text"][:] == [text for text, _ in ROWS]
    assert made["train"].features["label"].names == ["bad", "good"]
    assert made["train"]["label"][:] == [1, 0, 0, 1]
    assert made["train"].column_names == ["text", "label"]


@pytest.mark.parametrize("mark", [";", "|", "\t"])
def test_a_delimiter_is_found_or_given(mark: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"\xef\xbb\xbf" + f"text{mark}label\r\nx, y{mark}p\r\n\r\nz{mark}q\r\n".encode())
    for made in (read(path), read(path, delimiter=mark)):
        assert made["train"][:] == {"text": ["x, y", "z"], "label": [0, 1]}


def test_splits_by_names_of_files(tmp_path: Path) -> None:
    for name in ("reviews_train.csv", "reviews-dev.csv", "reviews.test.csv"):
        write(tmp_path / name, ROWS)
    made = read(tmp_path)
    assert {split: len(rows) for split, rows in made.items()} == {"train": 4, "validation": 4, "test": 4}
    several = f"{tmp_path / 'reviews_train.csv'}, {tmp_path / 'reviews.test.csv'}"
    assert set(read(several)) == {"train", "test"}


def test_splits_by_names_of_folders_and_parts(tmp_path: Path) -> None:
    for number in (0, 1):
        write(tmp_path / f"folders/train/{number}.jsonl", ROWS)
        write(tmp_path / f"parts/data/train-0000{number}-of-00002.parquet", ROWS)
    write(tmp_path / "folders/val/0.jsonl", ROWS)
    write(tmp_path / "parts/data/test-00000-of-00001.parquet", ROWS)
    assert {split: len(rows) for split, rows in read(tmp_path / "folders").items()} == {"train": 8, "validation": 4}
    assert {split: len(rows) for split, rows in read(tmp_path / "parts").items()} == {"train": 8, "test": 4}


def test_columns_by_name_by_type_or_given(tmp_path: Path) -> None:
    rows = [(1, "u", "v", "p"), (2, "w", "x", "q")]
    named = write(tmp_path / "a.csv", rows, ("id", "Review", "author", "Sentiment"))
    assert read(named)["train"][:] == {"text": ["u", "w"], "label": [0, 1]}
    assert read(named, text="author", label="id")["train"][:] == {"text": ["v", "x"], "label": [0, 1]}
    only = write(tmp_path / "b.csv", [("u", 3), ("w", 7)], ("words", "mark"))
    made = read(only)["train"]
    assert made["text"][:] == ["u", "w"]
    assert made.features["label"].names == ["3", "7"]


def test_texts_of_digits_stay_as_they_are_spelled(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", [("007", "a"), ("1e3", "b")])
    assert read(path)["train"]["text"][:] == ["007", "1e3"]
    path = write(tmp_path / "b.csv", [("007", "a"), ("010", "b")], ("code", "label"))
    assert read(path, text="code")["train"]["text"][:] == ["007", "010"]


def test_a_type_that_only_late_rows_show(tmp_path: Path) -> None:
    """A megabyte of digits first: a reader that guesses from the beginning alone would stumble."""
    rows = [("x" * 100, str(number % 3)) for number in range(15_000)]
    made = read(write(tmp_path / "a.csv", [*rows, ("late", "other"), ("long" * 500_000, "0")]))["train"]
    assert made.features["label"].names == ["0", "1", "2", "other"]
    assert len(made[15_001]["text"]) == 2_000_000


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        ([10, 9, 2], ["2", "9", "10"]),
        ([1.0, 0.0, 1.0], ["0", "1"]),
        ([True, False, True], ["false", "true"]),
        ([" a", "b", "a"], ["a", "b"]),
    ],
)
@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_labels_that_are_classes(labels: list[Any], names: list[str], suffix: str, tmp_path: Path) -> None:
    made = read(write(tmp_path / f"a.{suffix}", [(f"t{n}", label) for n, label in enumerate(labels)]))
    assert made["train"].features["label"].names == names


def test_labels_that_are_measured(tmp_path: Path) -> None:
    made = read(write(tmp_path / "a.csv", [("u", 0.5), ("v", 2), ("w", -1), ("x", 0)]))
    assert facts(made).target == "number"
    assert made["train"]["label"][:] == [0.5, 2.0, -1.0, 0.0]
    ages = read(write(tmp_path / "b.csv", [(f"t{n}", n * 3) for n in range(60)]))
    assert facts(ages).target == "number", "nearly every row has another whole number"
    marks = read(write(tmp_path / "c.csv", [(f"t{n}", n % 30) for n in range(300)]))
    assert len(facts(marks).classes) == 30


def test_several_labels_a_row(tmp_path: Path) -> None:
    spelled = read(write(tmp_path / "a.csv", [("u", "red; blue"), *[("v", "red")] * 4]), separator=";")
    listed = read(write(tmp_path / "a.jsonl", [("u", ["red", "blue"]), *[("v", ["red"])] * 3, ("w", [])]))
    for made in (spelled, listed):
        assert facts(made).target == "classes"
        assert facts(made).classes == ["blue", "red"]
        assert made["train"]["label"][:2] == [[1, 0], [1]]


def test_rows_of_numbers(tmp_path: Path) -> None:
    rows = [(0, 1.5, 3, "x"), (1, 2.5, 4, "y"), (2, 3.5, 5, "x"), (3, 3.5, 5, "x")]
    made = read(write(tmp_path / "a.csv", rows, ("", "width", "height", "class")))
    data = facts(made)
    assert (data.gives, data.shape, data.classes) == ("tabular", (2,), ["x", "y"])
    assert data.inputs == ["width", "height"]
    assert values(made["train"]) == [[1.5, 3.0], [2.5, 4.0], [3.5, 5.0], [3.5, 5.0]]
    # What is cut off for validation and test has no say in them.
    assert data.mean == pytest.approx(np.mean(values(data._train), 0))
    assert data.std == pytest.approx(np.std(values(data._train), 0))


def test_numbers_and_categories_with_gaps(tmp_path: Path) -> None:
    """A gap is NaN or -1; so is a category that train lacks; a column of a word for each row is left out."""
    rows = [(40 + n if n != 3 else "", ["smith", "baker", " baker ", ""][n % 4], f"n{n}", n / 2) for n in range(40)]
    write(tmp_path / "train.csv", rows, ("age", "job", "remark", "label"))
    write(tmp_path / "test.csv", [(1, "smith", "n1", 2), (2, "pilot", "n2", 3)], ("age", "job", "remark", "label"))
    made = read(tmp_path)
    data = facts(made)
    assert (data.gives, data.target, data.inputs) == ("tabular", "number", ["age", "job"])
    assert data.categories == {1: ["baker", "smith"]}
    assert values(made["train"])[:3] == [[40, 1], [41, 0], [42, 0]]
    assert np.array_equal(values(made["train"])[3], [np.nan, -1], equal_nan=True)
    assert values(made["test"]) == [[1, 1], [2, -1]]
    ages = [age for age, _ in values(data._train)]
    assert data.mean == pytest.approx([np.nanmean(ages), 0])
    assert data.std == pytest.approx([np.nanstd(ages), 1])
    labels = data._train["label"][:]
    assert (data.target_mean, data.target_std) == pytest.approx((np.mean(labels), np.std(labels)))
    again = type(data).from_dict(json.loads(json.dumps(data.to_dict())))
    assert (again.mean, again.std, again.target_std) == (data.mean, data.std, data.target_std)
    assert again.categories == data.categories


def test_columns_that_are_named(tmp_path: Path) -> None:
    rows = [(n, n % 3, "abc"[n % 3], n % 2) for n in range(30)]
    path = write(tmp_path / "a.csv", rows, ("number", "kind", "text", "label"))
    assert facts(read(path)).gives == "text"
    data = facts(read(path, columns=["kind", "text"]))
    assert (data.gives, data.inputs, data.categories) == ("tabular", ["kind", "text"], {1: ["a", "b", "c"]})


def values(rows: Any) -> list[list[float]]:
    """The rows of a table as a task gets them."""
    found: list[list[float]] = next(chunks(rows, 100))["tabular"].tolist()
    return found


def test_names_of_classes_that_parquet_brings_along(tmp_path: Path) -> None:
    features = Features({"text": Value("string"), "label": ClassLabel(names=["no", "yes"])})
    rows = Dataset.from_dict({"text": ["u", "v", "w", "x"], "label": [0, 1, 1, 0]}, features=features)
    rows.to_parquet(tmp_path / "a.parquet")
    assert facts(read(tmp_path / "a.parquet")).classes == ["no", "yes"]


def test_a_changed_file_is_seen_and_nothing_is_written(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", ROWS)
    assert len(read(path)["train"]) == 4
    stat = path.stat()
    write(path, [(text.replace("fine", "poor"), label) for text, label in ROWS])
    import os

    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert read(path)["train"]["text"][0] == "a poor film"
    assert [each.name for each in tmp_path.iterdir()] == ["a.csv"]


def test_many_rows_are_fast(tmp_path: Path) -> None:
    import time

    write(tmp_path / "a.csv", [(f"row {n} of many", n % 7) for n in range(200_000)])
    begun = time.perf_counter()
    made = read(tmp_path / "a.csv")
    assert len(made["train"]) == 200_000
    assert time.perf_counter() - begun < 10
    assert np.bincount(made["train"].data.table.column("label").to_numpy()).tolist()[0] == 28572
