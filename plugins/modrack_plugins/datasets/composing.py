"""Composes sentences around names, and divides the names so that some are never learned."""

from __future__ import annotations

import re

import numpy as np

from modrack_plugins.datasets.sentences import FILLERS, SENTENCES
from modrack_plugins.spans import cut_words

# {kind: names}; a sentence is its words and its spans (kind, first word, word behind the last).
Names = dict[str, list[str]]
Sentence = tuple[list[str], list[tuple[str, int, int]]]

_SLOT = re.compile(r"\{(\w+)\}")
# A slot of either kind, so that the words around it tell nothing of the kind.
ANY = "ANY"


def divide(names: Names, held: float, seed: int) -> dict[str, Names]:
    """The names of train, validation and test. What occurs inside a name to train on goes to train with it."""
    pools: dict[str, Names] = {"train": {}, "validation": {}, "test": {}}
    for place, (kind, all_of_it) in enumerate(sorted(names.items())):
        order = np.random.default_rng([seed, place]).permutation(len(all_of_it)).tolist()
        cut, end = round(len(order) * held), round(len(order) * held * 1.5)
        for split, rows in (("test", order[:cut]), ("validation", order[cut:end]), ("train", order[end:])):
            pools[split][kind] = sorted(all_of_it[row] for row in rows)
    learned = {part for table in pools["train"].values() for name in table for part in _parts(name)}
    for split in ("validation", "test"):
        for kind, table in pools[split].items():
            pools["train"][kind] += [name for name in table if _words(name) in learned]
            pools[split][kind] = [name for name in table if _words(name) not in learned]
    return pools


def compose(names: Names, rows: int, seed: tuple[int, ...], seen: set[str]) -> list[Sentence]:
    """`rows` sentences, none of which is in `seen`, where they are put too."""
    chance = np.random.default_rng(seed)
    made: list[Sentence] = []
    while len(made) < rows:
        text, spans = _fill(SENTENCES[chance.integers(len(SENTENCES))], names, chance)
        if text in seen:
            continue
        seen.add(text)
        bounds = list(cut_words(text))
        first = {start: place for place, (start, _) in enumerate(bounds)}
        behind = {end: place + 1 for place, (_, end) in enumerate(bounds)}
        words = [text[start:end] for start, end in bounds]
        made.append((words, [(kind, first[start], behind[end]) for kind, start, end in spans]))
    return made


def _fill(sentence: str, names: Names, chance: np.random.Generator) -> tuple[str, list[tuple[str, int, int]]]:
    """The sentence with a name or a filler in each slot, and where in it the names stand."""
    kinds = sorted(names)
    text, spans, last = "", [], 0
    for slot in _SLOT.finditer(sentence):
        text += sentence[last : slot.start()]
        last = slot.end()
        kind = kinds[chance.integers(len(kinds))] if slot[1] == ANY else slot[1]
        choices = names[kind] if kind in names else FILLERS[kind]
        chosen = choices[chance.integers(len(choices))]
        if kind in names:
            spans.append((kind, len(text), len(text) + len(chosen)))
        text += chosen
    return text + sentence[last:], spans


def _words(name: str) -> tuple[str, ...]:
    return tuple(name[start:end] for start, end in cut_words(name))


def _parts(name: str) -> set[tuple[str, ...]]:
    """Every run of words in a name."""
    words = _words(name)
    return {words[start:end] for start in range(len(words)) for end in range(start + 1, len(words) + 1)}
