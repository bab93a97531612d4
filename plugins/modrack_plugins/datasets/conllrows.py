"""Reads files of columns, a word a line; what is wrong is said with file and line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import modrack
from modrack_plugins.datasets.places import SPLITS, find_places
from modrack_plugins.spans import find_spans, split_tag, write_spans

# CoNLL-2003 calls its development set testa, and what is scored testb.
NAMES = SPLITS | {"validation": (*SPLITS["validation"], "testa"), "test": (*SPLITS["test"], "testb")}
DOCUMENT = "-DOCSTART-"

Sentence = tuple[list[str], list[str]]


@dataclass(frozen=True)
class Columns:
    """Where in a line what is: the options of `conll`."""

    token: int
    tag: int
    separator: str | None
    scheme: str
    comment: str | None

    def split(self, line: str) -> list[str]:
        """The fields of a line. A no-break space is part of a word."""
        return re.split(r"[ \t]+", line.strip(" \t")) if self.separator is None else line.split(self.separator)


def find_splits(path: str) -> dict[str, Path]:
    """The file of each split. Raises UserError where it cannot be told from the names."""
    places = find_places(path)
    if len(places) == 1 and not places[0].is_dir():
        return {"train": places[0]}
    folder = len(places) == 1
    files = sorted(each for each in places[0].iterdir() if each.is_file()) if folder else places
    found: dict[str, Path] = {}
    for place in files:
        words = set(re.split(r"[-_. ]+", place.name.lower()))
        split = next((split for split, names in NAMES.items() if words & set(names)), None)
        if split is None and folder:
            continue  # A licence, or a word about it.
        if split is None or split in found:
            reason = "its name says no split" if split is None else f"{found[split].name} is {split} already"
            raise modrack.UserError(
                f"dataset.path={path}: {place.name}: {reason}.",
                "Give one file a split: dataset.path=train.conll,dev.conll,test.conll",
            )
        found[split] = place
    if "train" not in found:
        there = ", ".join(each.name for each in files[:6]) or "nothing"
        raise modrack.UserError(f"dataset.path={path}: no file is called train.", f"There is: {there}.")
    return found


def read_sentences(path: Path, columns: Columns) -> list[Sentence]:
    """The words and tags of each sentence. Raises UserError for a line that lacks a column or has a wrong tag."""
    try:
        sentences = list(_sentences(path, columns))
    except UnicodeDecodeError as error:
        raise modrack.UserError(f"{path} is not in UTF-8 ({error.reason}).", "Convert it, as with iconv.") from None
    if not sentences:
        raise modrack.UserError(f"{path}: there is no sentence in it.")
    return sentences


def _sentences(path: Path, columns: Columns) -> Iterator[Sentence]:
    words: list[str] = []
    tags: list[str] = []
    # utf-8-sig, since some editors put a mark at the start, which would become part of the first word.
    with path.open(encoding="utf-8-sig") as file:
        for number, raw in enumerate(file, 1):
            line = raw.rstrip("\n")
            if columns.comment and line.startswith(columns.comment):
                continue
            if line.strip() and not line.startswith(DOCUMENT):
                word, tag = _fields(line, columns, f"{path}:{number}")
                words.append(word)
                tags.append(tag)
            elif words:
                yield words, _rewritten(tags, columns.scheme)
                words, tags = [], []
    if words:
        yield words, _rewritten(tags, columns.scheme)


def _fields(line: str, columns: Columns, where: str) -> tuple[str, str]:
    fields = columns.split(line)
    for option, place in (("token", columns.token), ("tag", columns.tag)):
        if not -len(fields) <= place < len(fields):
            raise modrack.UserError(
                f"{where}: there is no column {place} (dataset.{option}) in {line[:60]!r}, which has {len(fields)}.",
                "Mend the line, or say the column, counted from 0, or the dataset.separator.",
            )
    if columns.token % len(fields) == columns.tag % len(fields):
        raise modrack.UserError(
            f"{where}: word and tag are the same column in {line[:60]!r}.",
            "Mend the line, or say dataset.token and dataset.tag, or the dataset.separator.",
        )
    word, tag = fields[columns.token].strip(), fields[columns.tag].strip()
    if not word or not tag:
        raise modrack.UserError(f"{where}: {'the tag' if word else 'the word'} is empty in {line[:60]!r}.")
    if columns.scheme != "keep":
        try:
            split_tag(tag)
        except ValueError:
            raise modrack.UserError(
                f"{where}: {tag!r} is no tag of a span, as B-PER or O, so dataset.scheme={columns.scheme} cannot be.",
                "Leave dataset.scheme out, or choose another dataset.tag.",
            ) from None
    return word, tag


def _rewritten(tags: list[str], scheme: str) -> list[str]:
    return tags if scheme == "keep" else write_spans(find_spans(tags), len(tags), scheme)
