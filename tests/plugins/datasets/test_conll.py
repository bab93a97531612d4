"""Files of columns: the schemes, the splits, and what is refused with file and line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import modrack
from modrack.data.facts import derive
from modrack_registry.registry import load_registry

GOOD = "EU NNP I-NP I-ORG\nrejects VBZ I-VP O\n\nPeter NNP I-NP I-PER\nBlackburn NNP I-NP I-PER\n"


def make(path: Path | str, **options: Any) -> Any:
    component = load_registry().find("dataset", "conll")
    defaults = {name: option.default for name, option in component.options.items()}
    return component.make({}, {**defaults, "path": str(path), **options})


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def tags(split: Any) -> list[list[str]]:
    names = split.features["tags"].feature.names
    return [[names[number] for number in row] for row in split["tags"]]


def test_a_shared_tasks_folder(tmp_path: Path) -> None:
    """As CoNLL-2003 comes: eng.train, eng.testa, eng.testb, and something to read beside them."""
    for name in ("eng.train", "eng.testa", "eng.testb"):
        write(tmp_path, name, "-DOCSTART- -X- O O\n\n" + GOOD + "\n")
    write(tmp_path, "README", "not a word of it")
    made = make(tmp_path)
    assert {split: len(rows) for split, rows in made.items()} == {"train": 2, "validation": 2, "test": 2}
    assert made["train"]["tokens"][:] == [["EU", "rejects"], ["Peter", "Blackburn"]]
    assert tags(made["train"]) == [["I-ORG", "O"], ["I-PER", "I-PER"]]
    data, _ = derive(made, name="conll", gives="text", target="tokens")
    assert (data.gives, data.target, data.input, data.label) == ("text", "tokens", "tokens", "tags")
    assert data.classes == ["O", "I-ORG", "I-PER"]
    assert list(data.texts()) == ["EU rejects", "Peter Blackburn"]


@pytest.mark.parametrize(
    ("scheme", "written"),
    [
        ("keep", "I-A I-A B-A O S-B"),
        ("bio", "B-A I-A B-A O B-B"),
        ("bioes", "B-A E-A S-A O S-B"),
    ],
)
def test_schemes(scheme: str, written: str, tmp_path: Path) -> None:
    path = write(tmp_path, "a.txt", "\n".join(f"w {tag}" for tag in ["I-A", "I-A", "B-A", "O", "S-B"]))
    assert tags(make(path, scheme=scheme)["train"]) == [written.split()]


def test_columns_and_separators(tmp_path: Path) -> None:
    path = write(tmp_path, "a.tsv", "# id 1\n1\tNew York\tNNP\tB-LOC\r\n2\tis\tVBZ\tO\r\n")
    made = make(path, token=1, separator="tab", comment="#")["train"]
    assert made["tokens"][:] == [["New York", "is"]]
    assert tags(make(path, token=1, tag=2, separator="tab", comment="#")["train"]) == [["NNP", "VBZ"]]
    # A no-break space, and what Unicode takes for the end of a line, are parts of a word.
    odd = write(tmp_path, "b.txt", "\ufeff1\u00a0000 O\na\u2028b\t O\n")
    assert make(odd)["train"]["tokens"][:] == [["1\u00a0000", "a\u2028b"]]


def test_the_tags_of_every_split_are_classes(tmp_path: Path) -> None:
    train, test = write(tmp_path, "train.txt", "a O\nb B-X\n"), write(tmp_path, "test.txt", "a B-Y\n")
    made = make(f"{train},{test}")
    assert made["train"].features["tags"].feature.names == ["O", "B-X", "B-Y"]
    assert tags(made["test"]) == [["B-Y"]]


@pytest.mark.parametrize(
    ("content", "options", "said"),
    [
        ("a O\n\nb\n", {}, "a.txt:3: word and tag are the same column in 'b'"),
        ("a X O\nb O\n", {"tag": 2}, "a.txt:2: there is no column 2 (dataset.tag) in 'b O', which has 2"),
        ("a X O\nb O\n", {"token": -3}, "a.txt:2: there is no column -3 (dataset.token) in 'b O'"),
        ("a\tO\nb\t\n", {"separator": "tab"}, "a.txt:2: the tag is empty"),
        ("\tO\n", {"separator": "tab"}, "a.txt:1: the word is empty"),
        ("a O\nb NOUN\n", {"scheme": "bio"}, "a.txt:2: 'NOUN' is no tag of a span, as B-PER or O"),
        ("", {}, "a.txt: there is no sentence in it"),
        ("-DOCSTART- O\n\n", {}, "a.txt: there is no sentence in it"),
        (b"caf\xe9 O\n", {}, "a.txt is not in UTF-8"),
    ],
)
def test_what_is_refused(content: str | bytes, options: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(modrack.UserError) as caught:
        make(write(tmp_path, "a.txt", content), **options)
    assert said in str(caught.value)
    assert len(caught.value.lines) <= 3


def test_files_whose_names_say_no_split(tmp_path: Path) -> None:
    for name in ("one.txt", "dev.txt", "valid.txt"):
        write(tmp_path, name, GOOD)
    for path, said in (
        (f"{tmp_path}/dev.txt,{tmp_path}/one.txt", "one.txt: its name says no split"),
        (f"{tmp_path}/dev.txt,{tmp_path}/valid.txt", "valid.txt: dev.txt is validation already"),
        (str(tmp_path), "valid.txt: dev.txt is validation already"),
        (f"{tmp_path}/nowhere", "there is no"),
    ):
        with pytest.raises(modrack.UserError, match=said):
            make(path)
    (tmp_path / "valid.txt").unlink()
    with pytest.raises(modrack.UserError, match=r"no file is called train(.|\n)*dev\.txt, one\.txt"):
        make(tmp_path)
