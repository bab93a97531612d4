"""Reads a filter's text from left to right: keys, operators, words."""

from __future__ import annotations

from modrack_registry.store.filter.mistakes import mistake, shown
from modrack_registry.store.filter.nodes import Key, Word
from modrack_registry.store.filter.subjects import SUMMARIES

QUOTES = "\"'"
_SIGNS = "=!<>~"
# What ends a word, beside a space; what else of `_SIGNS` a value holds must stand in quotes.
_ENDS = "()|"


class Scanner:
    """The text and how far it is read."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0

    def peek(self, length: int = 1) -> str:
        """The next characters, unread; fewer at the end."""
        return self.text[self.at : self.at + length]

    def skip_space(self) -> None:
        while self.peek().isspace():
            self.at += 1

    def take(self, wanted: str) -> bool:
        """Read `wanted` if it comes next."""
        if not self.text.startswith(wanted, self.at):
            return False
        self.at += len(wanted)
        return True

    def signs(self) -> str:
        """The characters of an operator."""
        return self._while(lambda char: char in _SIGNS)

    def key(self) -> Key:
        """A name, with `@max` and the like after it."""
        at = self.at
        if self.peek() and self.peek() in QUOTES:
            name, quoted = self.quoted().text, True
            summary = self._while(lambda char: char not in f"{_SIGNS}{_ENDS}" and not char.isspace())
            if summary and summary[1:] not in SUMMARIES:
                raise mistake(
                    self.text,
                    self.at - len(summary),
                    f"{shown(summary)} cannot follow a quoted name.",
                    known_summaries(),
                )
            return Key(name, summary[1:] or None, at, quoted)
        name = self._while(lambda char: char not in f"{_SIGNS}{_ENDS}" and not char.isspace())
        left, mark, right = name.rpartition("@")
        # `recall@5` is a metric's name.
        return Key(left, right, at) if mark and left and right in SUMMARIES else Key(name, None, at)

    def word(self, more: str = "") -> Word:
        """A value, in quotes or up to a space, a parenthesis, `|` or one of `more`."""
        at = self.at
        if self.peek() and self.peek() in QUOTES:
            return self.quoted()
        text = self._while(lambda char: char not in f"=<>{_ENDS}{more}" and not char.isspace())
        if self.peek() and self.peek() in "=<>(":
            raise mistake(self.text, self.at, f"A value with {shown(self.peek())} needs quotes.", 'Like name="a=b".')
        return Word(text, False, at)

    def quoted(self) -> Word:
        """A text in quotes; a backslash stands before a quote or another backslash inside."""
        at, quote, kept = self.at, self.peek(), []
        self.at += 1
        while (char := self.peek()) != quote:
            if not char:
                raise mistake(self.text, at, "This quote is never closed.")
            if char == "\\" and self.peek(2)[1:] in (quote, "\\"):
                self.at += 1
                char = self.peek()
            kept.append(char)
            self.at += 1
        self.at += 1
        return Word("".join(kept), True, at)

    def _while(self, wanted: object) -> str:
        at = self.at
        while self.at < len(self.text) and wanted(self.text[self.at]):  # type: ignore[operator]
            self.at += 1
        return self.text[at : self.at]


def known_summaries() -> str:
    """A hint that lists what can follow a metric's name."""
    return f"A metric takes {', '.join(f'@{name}' for name in SUMMARIES)}."
