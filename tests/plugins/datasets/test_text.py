"""Plain text as a dataset: which files and rows are meant, and Python's documentation strings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import modrack
from modrack.data.facts import derive
from modrack_registry.registry import load_registry


def make(name: str, **options: Any) -> Any:
    found = load_registry().find("dataset", name)
    usual = {option: each.default for option, each in found.options.items() if not each.required}
    return found.make({}, {**usual, **options})


@pytest.fixture
def write(tmp_path: Path) -> Callable[[dict[str, str]], Path]:
    def write(files: dict[str, str]) -> Path:
        for name, content in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(content, "utf-8")
        return tmp_path

    return write


Write = Callable[[dict[str, str]], Path]
POEM = "One line.\nAnother.\n\n  \nA second paragraph,\nof two lines.\n\nThe last.\n"


@pytest.mark.parametrize(
    ("by", "rows"),
    [
        ("line", ["One line.", "Another.", "A second paragraph,", "of two lines.", "The last."]),
        ("paragraph", ["One line.\nAnother.", "A second paragraph,\nof two lines.", "The last."]),
        ("file", [POEM]),
    ],
)
def test_what_a_row_is(by: str, rows: list[str], write: Write) -> None:
    folder = write({"poem.txt": POEM, "blank.txt": " \n\n"})
    assert make("text", path=str(folder), by=by)["train"]["text"] == rows


def test_blocks_lose_nothing_and_end_behind_white_space(write: Write) -> None:
    content = "".join(f"word{number} " + ("\n" if number % 7 == 0 else "") for number in range(300)) + "x" * 500
    folder = write({"a.txt": content})
    rows = make("text", path=str(folder / "a.txt"), by="block", size=100)["train"]["text"]
    assert "".join(rows) == content
    assert max(map(len, rows)) <= 100
    assert all(row[-1].isspace() for row in rows[:-6])


def test_splits_by_name_of_file_or_folder(write: Write) -> None:
    folder = write({"train.txt": "a\n\nb", "test.txt": "c\n\nb", "more.txt": "d"})
    made = make("text", path=str(folder))
    found = {split: sorted(rows["text"]) for split, rows in made.items()}
    assert found == {"train": ["a", "b", "d"], "test": ["c"]}, "a row that train has is no test"
    write({"parts/train/x/1.txt": "e", "parts/valid/1.txt": "f"})
    made = make("text", path=str(folder / "parts"))
    assert {split: rows["text"] for split, rows in made.items()} == {"train": ["e"], "validation": ["f"]}


def test_patterns_and_lists(write: Write) -> None:
    folder = write({f"books/{name}.md": name for name in "abc"} | {"notes.txt": "d"})
    assert sorted(make("text", path=f"{folder}/books/*.md,{folder}/notes.txt")["train"]["text"]) == ["a", "b", "c", "d"]
    assert make("text", path=str(folder), suffix=".md")["train"]["text"] == ["a", "b", "c"]


def test_whole_files_are_held_out(write: Write) -> None:
    folder = write({f"{number}.txt": f"first of {number}\n\nsecond of {number}" for number in range(20)})
    made = make("text", path=str(folder), cut="files")
    files = {split: {text.split()[-1] for text in rows["text"]} for split, rows in made.items()}
    assert {split: len(each) for split, each in files.items()} == {"train": 16, "validation": 2, "test": 2}
    assert set.union(*files.values()) == {str(number) for number in range(20)}


def test_a_column_of_tables(write: Write) -> None:
    folder = write({"train.csv": 'text,label\n"one, two",a\n3,b\n ,b\n', "test.jsonl": '{"text": "four", "n": 1}\n'})
    made = make("text", path=f"{folder}/train.csv,{folder}/test.jsonl", column="text")
    assert {split: rows["text"] for split, rows in made.items()} == {"train": ["one, two", "3"], "test": ["four"]}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"path": "nowhere.txt"}, "there is no nowhere.txt"),
        ({"path": "{folder}", "suffix": ".rst"}, "ends in .rst"),
        ({"path": "{folder}/latin.txt"}, "byte 3 is not utf-8"),
        ({"path": "{folder}/latin.txt", "encoding": "klingon"}, "no such encoding"),
        ({"path": "{folder}/blank.txt"}, "no text in it"),
        ({"path": "{folder}/blank.txt", "cut": "files"}, "too few"),
        ({"path": "{folder}/blank.txt", "column": "text"}, "is no table"),
        ({"path": "{folder}/table.csv", "column": "text"}, "no such column"),
    ],
)
def test_what_is_wrong(options: dict[str, str], said: str, write: Write) -> None:
    folder = write({"blank.txt": "\n", "table.csv": "a,b\n1,2\n"})
    (folder / "latin.txt").write_bytes("caf\u00e9".encode("latin-1"))
    with pytest.raises(modrack.UserError, match=said):
        make("text", **{name: value.format(folder=folder) for name, value in options.items()})


def test_python_docs() -> None:
    data, splits = derive(make("python-docs"), name="python-docs", gives="text", target="none")
    assert (data.gives, data.target, data.label) == ("text", "none", None)
    assert not data.cuts, "whole modules are held out, not single rows"
    texts = {split: rows["text"] for split, rows in splits.items()}
    assert sum(len(text) for text in texts["train"]) > 700_000
    assert all(len(texts[split]) > 100 for split in texts)
    assert not set(texts["train"]) & set(texts["test"])
    assert any(text.startswith("Return a shallow copy") or "regular expression" in text for text in texts["train"])
