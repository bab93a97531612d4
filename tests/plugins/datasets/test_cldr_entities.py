"""The composed corpus: names held out for test occur nowhere in what is learned."""

from __future__ import annotations

from typing import Any

from modrack.data.facts import derive
from modrack_plugins.datasets.sentences import FILLERS, SENTENCES
from modrack_plugins.spans import cut_words, find_spans
from modrack_registry.registry import load_registry


def make(**options: Any) -> Any:
    component = load_registry().find("dataset", "cldr-entities")
    return component.make({}, {name: option.default for name, option in component.options.items()} | options)


def spans(split: Any) -> list[list[tuple[str, tuple[str, ...]]]]:
    """(kind, words) of each name in each sentence."""
    names = split.features["tags"].feature.names
    return [
        [(kind, tuple(words[first:behind])) for kind, first, behind in find_spans([names[each] for each in row])]
        for words, row in zip(split["tokens"][:], split["tags"][:], strict=True)
    ]


def test_no_name_to_test_is_anywhere_in_train() -> None:
    made = make(rows=4000)
    learned = {
        tuple(words[start:end])
        for words in made["train"]["tokens"][:]
        for start in range(len(words))
        for end in range(start + 1, min(start + 8, len(words)) + 1)
    }
    for split in ("validation", "test"):
        held = {name for row in spans(made[split]) for name in row}
        assert {kind for kind, _ in held} == {"TERRITORY", "LANGUAGE", "CURRENCY"}
        assert not [name for _, name in held if name in learned]
    found = [name for row in spans(made["train"]) for name in row]
    assert len(set(found)) > 600
    assert max(len(name) for _, name in found) >= 4
    assert ("TERRITORY", ("Trinidad", "&", "Tobago")) in found


def test_it_is_the_same_each_time_and_another_with_another_seed() -> None:
    one, again, other = make(rows=50), make(rows=50), make(rows=50, seed=1)
    assert one["test"]["tokens"][:] == again["test"]["tokens"][:] != other["test"]["tokens"][:]
    texts = [tuple(words) for split in one.values() for words in split["tokens"][:]]
    assert len(set(texts)) == len(texts) == 50 + 5 + 10


def test_schemes_tell_the_same_spans() -> None:
    bio, bioes = make(rows=40), make(rows=40, scheme="bioes")
    assert bio["train"].features["tags"].feature.names[:3] == ["O", "B-CURRENCY", "I-CURRENCY"]
    assert len(bioes["train"].features["tags"].feature.names) == 13
    assert spans(bio["train"]) == spans(bioes["train"])
    data, _ = derive(bio, name="cldr-entities", gives="text", target="tokens")
    assert (data.input, data.label, len(data.classes or ())) == ("tokens", "tags", 7)


def test_the_sentences_around_them_hold_no_name() -> None:
    from modrack_plugins.datasets.cldr_entities import _names

    names = {tuple(name[start:end] for start, end in cut_words(name)) for table in _names().values() for name in table}
    for text in (*SENTENCES, *(filler for table in FILLERS.values() for filler in table)):
        words = [text[start:end] for start, end in cut_words(text)]
        runs = {tuple(words[a:b]) for a in range(len(words)) for b in range(a + 1, len(words) + 1)}
        assert not runs & names, text
