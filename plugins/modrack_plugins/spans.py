"""Spans written as a tag a word: BIO, IOB1, BIOES and BILOU, read alike; and how a raw text is cut into words.

A span begins at `B` (or `S`, `U`), after `O`, after a word that closed one (`E`, `L`, `S`, `U`), and where the type
changes; it ends before the next one begins, or before `O`. That reads every sound sequence as it is meant, and others
as conlleval does (https://www.cnts.ua.ac.be/conll2000/chunking/conlleval.txt).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

OUTSIDE = "O"
OPENING, CLOSING = "BSU", "ESLU"
_TAG = re.compile(r"([BIESLU])-(.+)")
# Letters and digits with what joins them inside a word, but for a genitive; anything else by itself.
_WORD = re.compile(r"\w+(?:-\w+|['’](?!s\b)\w+)*|['’]s\b|[^\w\s]")


def split_tag(tag: str) -> tuple[str, str]:
    """(prefix, type) of `B-PER`; ("O", "") of `O`. Raises ValueError for what is no such tag."""
    if tag == OUTSIDE:
        return OUTSIDE, ""
    found = _TAG.fullmatch(tag)
    if found is None:
        raise ValueError(tag)
    return found[1], found[2]


def are_spans(tags: Sequence[str]) -> bool:
    """Whether these classes write spans; else each word's label stands by itself, as with parts of speech."""
    return all(tag == OUTSIDE or _TAG.fullmatch(tag) for tag in tags) and any(tag != OUTSIDE for tag in tags)


def find_spans(tags: Sequence[str]) -> list[tuple[str, int, int]]:
    """(type, first word, word behind the last) of each span, in order."""
    spans: list[tuple[str, int, int]] = []
    before, kind, first = OUTSIDE, "", 0
    for place, tag in enumerate([*tags, OUTSIDE]):
        prefix, own = split_tag(tag)
        if kind and (own != kind or prefix in OPENING or before in CLOSING):
            spans.append((kind, first, place))
            kind = ""
        if own and not kind:
            kind, first = own, place
        before = prefix
    return spans


def write_spans(spans: Sequence[tuple[str, int, int]], words: int, scheme: str) -> list[str]:
    """The tags of `words` words with these spans, in the scheme `bio` or `bioes`."""
    tags = [OUTSIDE] * words
    for kind, first, behind in spans:
        prefixes = ["B"] + ["I"] * (behind - first - 1)
        if scheme == "bioes":
            prefixes[-1] = "S" if len(prefixes) == 1 else "E"
        tags[first:behind] = [f"{prefix}-{kind}" for prefix in prefixes]
    return tags


def cut_words(text: str) -> Iterator[tuple[int, int]]:
    """Start and end of each word of `text`; punctuation marks are words."""
    return (found.span() for found in _WORD.finditer(text))
