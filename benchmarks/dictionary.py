"""Baselines for named entities: a dictionary of the names to learn from, and a linear model of words and neighbours.

Sentences are lists of words, spans (type, first word, word behind the last).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

from modrack_plugins.spans import find_spans

Spans = list[tuple[str, int, int]]


def read(split: Any) -> tuple[list[list[str]], list[list[str]], list[Spans]]:
    """Words, tags and spans of each sentence of a dataset's split."""
    names = split.features["tags"].feature.names
    tags = [[names[number] for number in row] for row in split["tags"][:]]
    return split["tokens"][:], tags, [find_spans(row) for row in tags]


def span_f1(found: list[Spans], true: list[Spans]) -> float:
    """F1 of exact spans over all sentences."""
    right = sum(len(set(one) & set(other)) for one, other in zip(found, true, strict=True))
    return 2 * right / max(1, sum(map(len, found)) + sum(map(len, true)))


def look_up(train: Any, test: Any) -> float:
    """Span F1 on `test` of the longest names of `train` that are found there, each with its most frequent type."""
    kinds: dict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
    words, _, spans = read(train)
    for sentence, inside in zip(words, spans, strict=True):
        for kind, first, behind in inside:
            kinds[tuple(sentence[first:behind])][kind] += 1
    known = {name: counts.most_common(1)[0][0] for name, counts in kinds.items()}
    longest = max(map(len, known))
    words, _, true = read(test)
    return span_f1([_longest_first(sentence, known, longest) for sentence in words], true)


def _longest_first(sentence: list[str], known: dict[tuple[str, ...], str], longest: int) -> Spans:
    found, place = [], 0
    while place < len(sentence):
        for size in range(min(longest, len(sentence) - place), 0, -1):
            kind = known.get(tuple(sentence[place : place + size]))
            if kind is not None:
                found.append((kind, place, place + size))
                place += size
                break
        else:
            place += 1
    return found


def look_around(train: Any, test: Any) -> float:
    """Span F1 on `test` of logistic regression on each word, its ends, and the two words to either side."""
    from sklearn.feature_extraction import DictVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    model = make_pipeline(DictVectorizer(), LogisticRegression(C=10, max_iter=200))
    words, tags, _ = read(train)
    model.fit([facts for row in words for facts in _surroundings(row)], [tag for row in tags for tag in row])
    words, _, true = read(test)
    return span_f1([find_spans(list(model.predict(_surroundings(row)))) for row in words], true)


def _surroundings(row: list[str]) -> list[dict[str, Any]]:
    made = []
    for place, word in enumerate(row):
        facts: dict[str, Any] = {"word": word, "capital": word[0].isupper(), "last 3": word[-3:], "last 2": word[-2:]}
        for step in (-2, -1, 1, 2):
            other = row[place + step] if 0 <= place + step < len(row) else ""
            facts |= {f"word {step}": other, f"capital {step}": other[:1].isupper(), f"last 3 {step}": other[-3:]}
        made.append(facts)
    return made
