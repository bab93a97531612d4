"""On which line of a TOML text a key stands. tomllib does not tell; a scan of the text that it has accepted does."""

from __future__ import annotations

import re
from collections.abc import Iterator

_KEY = r"""(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')"""
_PATH = rf"{_KEY}(?:\s*\.\s*{_KEY})*"
_HEADER = re.compile(rf"\s*(\[\[?)\s*({_PATH})\s*\]")
_ASSIGNMENT = re.compile(rf"\s*({_PATH})\s*=")
_TOKEN = re.compile(r'"""|\'\'\'|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\'|#[^\n]*|[\[\]{}]')

At = tuple[str | int, ...]


def find_lines(text: str) -> dict[At, int]:
    """{path: line}, lines from 1. A table of an array has its index in the path: `("metric", 0, "use")`."""
    found: dict[At, int] = {}
    table: At = ()
    counts: dict[At, int] = {}
    for number, line in _starts(text):
        header = _HEADER.match(line)
        if header is not None:
            table = tuple(_split(header.group(2)))
            if header.group(1) == "[[":
                counts[table] = counts.get(table, -1) + 1
                table = (*table, counts[table])
            found.setdefault(table, number)
            continue
        assignment = _ASSIGNMENT.match(line)
        if assignment is not None:
            found.setdefault((*table, *_split(assignment.group(1))), number)
    return found


def _starts(text: str) -> Iterator[tuple[int, str]]:
    """Lines that begin outside any string, array and inline table."""
    depth, quote = 0, ""
    for number, line in enumerate(text.splitlines(), start=1):
        if depth == 0 and not quote:
            yield number, line
        is_header = depth == 0 and not quote and _HEADER.match(line) is not None
        at = 0
        while not is_header and at < len(line):
            if quote:
                end = line.find(quote, at)
                if end < 0:
                    break
                at, quote = end + 3, ""
                continue
            token = _TOKEN.search(line, at)
            if token is None:
                break
            at = token.end()
            word = token.group()
            if word in ('"""', "'''"):
                quote = word
            elif word in "[{":
                depth += 1
            elif word in "]}":
                depth -= 1


def _split(path: str) -> list[str]:
    return [key.strip("\"'") for key in re.findall(_KEY, path)]
