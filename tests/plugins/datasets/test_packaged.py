"""The datasets that come with packages."""

from __future__ import annotations

from collections import Counter
from typing import Any

from modrack.data.facts import derive
from modrack_registry.registry import load_registry


def make(name: str) -> Any:
    made = load_registry().find("dataset", name)
    return made.make({}, {option: each.default for option, each in made.options.items()})


def test_digits() -> None:
    data, splits = derive(make("digits"), name="digits", gives="image", target="class")
    assert data.shape == (1, 8, 8)
    assert sum(len(rows) for rows in splits.values()) == 1797
    share = Counter(splits["test"]["label"])
    assert max(share.values()) - min(share.values()) <= 2


def test_names() -> None:
    data, splits = derive(make("names"), name="names", gives="text", target="class")
    assert len(data.classes or ()) == 20
    assert data.shape is None
    texts = [text for rows in splits.values() for text in rows["text"]]
    assert len(texts) > 12_000
    assert len(set(texts)) == len(texts), "a name has one language only"
    assert min(Counter(splits["train"]["label"]).values()) > 100
    assert len(list(data.texts())) == len(splits["train"])
    assert len(list(data.texts(limit=7))) == 7
