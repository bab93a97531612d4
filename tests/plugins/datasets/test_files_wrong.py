"""What `files` refuses, and how it says so: file, row, and what to do."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import modrack
from modrack_registry.registry import load_registry

GOOD = "text,label\nu,a\nv,b\n"


def refused(path: Path | str, **options: Any) -> list[str]:
    component = load_registry().find("dataset", "files")
    defaults = {name: option.default for name, option in component.options.items()}
    with pytest.raises(modrack.UserError) as caught:
        component.make({}, {**defaults, "path": str(path), **options})
    assert len(caught.value.lines) <= 8
    assert "Traceback" not in str(caught.value)
    return caught.value.lines


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", "", "a.csv: the file is empty"),
        ("a.csv", "\n \n", "a.csv: there are no rows"),
        ("a.csv", "text,label\n", "a.csv: there are no rows"),
        ("a.jsonl", "\n\n", "a.jsonl: there are no rows"),
        ("a.json", "[]", "a.json: there are no rows"),
        ("a.csv", "text,text\nu,a\n", "a.csv: two columns are called 'text'"),
        ("a.csv", GOOD + "w,\n", "a.csv, row 3: there is no label"),
        ("a.csv", GOOD + "w,  \n", "a.csv, row 3: there is no label"),
        ("a.csv", "text,label\nu,1\nv,NA\nw,2\n", "a.csv, row 2: there is no label"),
        ("a.jsonl", '{"text": "u", "label": 0.5}\n{"text": "v", "label": NaN}\n', "row 2: there is no label"),
        ("a.csv", "text,label\nu,0.5\nv,inf\n", "a.csv, row 2: the label is inf"),
        ("a.jsonl", '{"text": "u", "label": ["x"]}\n{"text": "v", "label": ["y", ""]}\n', "row 2: one of its labels"),
        ("a.csv", GOOD + "\nw,a,b\n", "a.csv, row 3 (line 5): 3 fields, where the header has 2"),
        ("a.csv", GOOD + '"w,a\nx,b\n', "a.csv, row 3 (lines 4 to 5): 1 fields"),
        ("a.csv", "text,label\nu,a\nv,a\n", "a.csv: there is one class only (a)"),
        ("a.csv", GOOD.encode() + b"caf\xe9,a\n", "a.csv, line 4: this is not UTF-8 (byte 0xe9)"),
        ("a.csv", GOOD.encode("utf-16"), "a.csv, line 1: this is not UTF-8 (byte 0xff)"),
        ("a.jsonl", '{"text": "u", "label": 1}\n\n{"text": \n', "a.jsonl, line 3: this is no JSON"),
        ("a.jsonl", '{"text": "u", "label": 1}\n[1]\n', "a.jsonl, row 2: each row is an object, this is list"),
        ("a.jsonl", '{"text": "u", "label": 1}\n{"text": 7, "label": 2}\n', "a.jsonl, row 2: 'text' is int, and str"),
        ("a.json", '[{"text": "u"', "a.json: this is no JSON"),
        ("a.parquet", "PAR?", "a.parquet: this is no parquet file"),
        ("a.txt", "hello", "a.txt: files end in .csv"),
        ("a.csv", "x,y,class\n1,2,a\n3,inf,b\n", "a.csv, row 2: inf in the column 'y' is no number to compute with"),
    ],
)
def test_one_file(name: str, content: str | bytes, said: str, tmp_path: Path) -> None:
    assert said in "\n".join(refused(write(tmp_path, name, content)))


def test_a_path_that_is_not_there(tmp_path: Path) -> None:
    assert f"there is no {tmp_path / 'none'}." in refused(tmp_path / "none")[0]
    here = write(tmp_path, "a.csv", GOOD)
    assert "there is no /nowhere.csv." in refused(f"{here},/nowhere.csv")[0]


def test_a_folder_of_nothing_to_read(tmp_path: Path) -> None:
    assert "holds: nothing." in refused(tmp_path)[1]
    write(tmp_path, "notes.txt", "x")
    lines = refused(tmp_path)
    assert "neither a table nor an image" in lines[0]
    assert "notes.txt" in lines[1]


def test_columns_that_cannot_be_told_say_how_to_choose(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", "words,mark,more\nu,1,x\nv,2,y\n")
    assert refused(path) == [
        f"{path}: which column is the label?",
        "  Say dataset.label=NAME; the columns: words (string), mark (int64), more (string).",
    ]
    assert "Say dataset.text=NAME, or dataset.columns=A,B" in refused(path, label="mark")[1]
    assert "dataset.columns=ward" in refused(path, label="mark", columns=["ward"])[0]
    assert "cannot be both" in refused(path, label="mark", columns=["words", "mark"])[0]
    assert "one of them is the input" in refused(path, text="words", columns=["more"])[0]


def test_options_that_name_no_column(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", "Words,label\nu,a\nv,b\n")
    lines = refused(path, text="wrods", label="lable")
    assert f"dataset.text=wrods: {path} has no such column." in lines[0]
    assert lines[1].endswith("Did you mean Words?")
    assert lines[3].endswith("Did you mean label?")
    assert "Did you mean" not in refused(path, text="zzz")[1]
    assert "cannot be both" in refused(path, text="Words", label="Words")[0]


def test_a_delimiter_that_is_none(tmp_path: Path) -> None:
    assert "it is one character" in refused(write(tmp_path, "a.csv", GOOD), delimiter="::")[0]


def test_labels_that_only_test_has(tmp_path: Path) -> None:
    write(tmp_path, "train.csv", GOOD)
    test = write(tmp_path, "test.csv", "text,label\nx,a\ny,never\nz,other\nz,other\n")
    assert refused(tmp_path) == [
        f"{test}, row 2: the label 'never' does not occur in train.",
        f"{test}, row 3: the label 'other' does not occur in train.",
        "  Train has: a, b.",
    ]


def test_the_row_is_that_of_the_file_that_has_it(tmp_path: Path) -> None:
    for number in (0, 1, 2):
        write(tmp_path, f"train-{number}.csv", GOOD + ("w,\n" if number == 1 else ""))
    assert refused(tmp_path)[0] == f"{tmp_path / 'train-1.csv'}, row 3: there is no label."


@pytest.mark.parametrize(
    ("train", "test", "said"),
    [
        (GOOD, "words,label\nu,a\n", "has no column 'text', which train.csv has"),
        ("text,label\nu,0.5\nv,1\n", "text,label\nu,high\n", "test.csv, row 1: the label 'high' is no number"),
        ("x,class\n1,a\n2,b\n", "x,class\none,a\n", "test.csv, row 1: in the column 'x' 'one' is no number"),
    ],
)
def test_splits_that_do_not_fit_together(train: str, test: str, said: str, tmp_path: Path) -> None:
    write(tmp_path, "train.csv", train)
    write(tmp_path, "test.csv", test)
    assert said in "\n".join(refused(tmp_path))


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("train.csv", "extra.csv"), "extra.csv: its name says no split"),
        (("train.csv", "train.jsonl"), r"train\.jsonl: train\.csv is train already"),
        (("train.csv", "train_small.csv"), r"train_small\.csv: train\.csv is train already"),
        (("test.csv", "valid.csv"), "no file is called train"),
        (("test/a.csv", "dev/a.csv"), "no file is called train"),
        (("train/a.csv", "train/a.tsv"), "are the same split in two formats"),
        (("train/a.csv", "train/b.csv"), ""),
    ],
)
def test_names_that_say_no_split_or_one_twice(names: tuple[str, ...], said: str, tmp_path: Path) -> None:
    for name in names:
        write(tmp_path, name, "text,label\nu,a\n")
    # The last has nothing wrong but its labels: the files of a split folder belong together.
    assert re.search(said or "one class only", "\n".join(refused(tmp_path)))


def test_parts_with_other_columns(tmp_path: Path) -> None:
    write(tmp_path, "train-0.csv", GOOD)
    write(tmp_path, "train-1.csv", "text,mark\nu,a\n")
    assert "train-1.csv has other columns than train-0.csv: text, mark." in refused(tmp_path)[0]
