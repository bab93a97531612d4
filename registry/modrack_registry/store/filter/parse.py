"""From a filter's text to its tree.

either := all ("|" all)*        all := one+
one    := "-" one | "(" either ")" | "tag:" value | key operator value | key ["=" | "!="] "in(" value, … ")"
"""

from __future__ import annotations

from modrack_registry.errors import UserError
from modrack_registry.store.filter.mistakes import mistake, shown
from modrack_registry.store.filter.nodes import All, Key, Not, Some, Term, Tree, Word
from modrack_registry.store.filter.scan import Scanner
from modrack_registry.store.values import storable

OPERATORS = ("=", "!=", "<", "<=", ">", ">=", "~", "!~")
MOST_BYTES, MOST_DEEP, MOST_TERMS, MOST_CHOICES = 4096, 64, 256, 1000

_MEANT = {"==": "=", "=~": "~", "~=": "~", "<>": "!=", "=<": "<=", "=>": ">=", "!": "!=", "=!": "!=", "!==": "!="}
_SHAPE = "A term is KEY OPERATOR VALUE, like lr<0.01; in a shell, quote it."
_SPOKEN = {"and": "A space is `and`.", "or": "`|` is `or`.", "not": "A `-` right before a term is `not`."}


def parse(text: str) -> Tree[Term]:
    """The tree of a filter; an empty one is `All(())`, which every run fits. Raises UserError with the place."""
    text = storable(text)
    if len(text.encode()) > MOST_BYTES:
        raise UserError(
            f"The filter is {len(text.encode()):,} bytes long; {MOST_BYTES:,} is the most.", "Ask for less at once."
        )
    return _Parser(text).whole()


def parse_key(text: str) -> tuple[Key, bool]:
    """What to sort by or to show: a key and whether `-` stands before it. Raises UserError."""
    text = storable(text)
    scan = Scanner(text)
    scan.skip_space()
    falling = scan.take("-")
    key = scan.key()
    scan.skip_space()
    if not key.text or scan.peek():
        raise mistake(text, scan.at, f"{shown(text)} is no key.", "It is like test.accuracy, optimizer.lr or started.")
    return key, falling


class _Parser:
    def __init__(self, text: str) -> None:
        self.text, self.scan = text, Scanner(text)
        self.depth = self.terms = 0

    def whole(self) -> Tree[Term]:
        self.scan.skip_space()
        if not self.scan.peek():
            return All(())
        tree = self.either()
        if self.scan.peek():
            raise self.wrong("This parenthesis closes nothing.")
        return tree

    def wrong(self, message: str, hint: str | None = None, at: int | None = None) -> UserError:
        return mistake(self.text, self.scan.at if at is None else at, message, hint)

    def either(self) -> Tree[Term]:
        parts = [self.all()]
        while self.scan.take("|"):
            parts.append(self.all())
        return parts[0] if len(parts) == 1 else Some(tuple(parts))

    def all(self) -> Tree[Term]:
        parts: list[Tree[Term]] = []
        while True:
            self.scan.skip_space()
            if self.scan.peek() in ("", "|", ")"):
                break
            parts.append(self.one())
        if not parts:
            where = {"": "the end of the filter", ")": "`)`", "|": "`|`"}[self.scan.peek()]
            raise self.wrong(f"A term is missing before {where}.", _SHAPE)
        return parts[0] if len(parts) == 1 else All(tuple(parts))

    def one(self) -> Tree[Term]:
        at = self.scan.at
        if self.scan.peek() not in "-(":
            return self.term()
        self.depth += 1
        if self.depth > MOST_DEEP:
            raise self.wrong(f"The filter is nested deeper than {MOST_DEEP}.")
        tree: Tree[Term]
        if self.scan.take("-"):
            if self.scan.peek() in ("", "|", ")") or self.scan.peek().isspace():
                raise self.wrong("A `-` stands right before what it negates.", "Like -tag:debug or -(a=1 b=2).", at)
            tree = Not(self.one())
        else:
            self.scan.take("(")
            tree = self.either()
            if not self.scan.take(")"):
                raise self.wrong("This parenthesis is never closed.", at=at)
        self.depth -= 1
        return tree

    def term(self) -> Term:
        at = self.scan.at
        self.terms += 1
        if self.terms > MOST_TERMS:
            raise self.wrong(f"The filter has more than {MOST_TERMS} terms.", "`KEY in(A,B)` takes many values.")
        if self.scan.take("tag:"):
            return Term(Key("tag", None, at), "=", (self.value("tag:"),), at)
        key = self.scan.key()
        if not key.text:
            raise self.wrong("A key is missing.", _SHAPE, at)
        after = self.scan.at
        self.scan.skip_space()
        if self.opens_set():
            return Term(key, "=", self.choices(), at, chosen=True)
        sign_at, sign = self.scan.at, self.scan.signs()
        if sign not in OPERATORS:
            if not sign:
                raise self.lacks_operator(key, after)
            hint = f"Did you mean {_MEANT[sign]}?" if sign in _MEANT else f"There is: {'  '.join(OPERATORS)}."
            raise self.wrong(f"There is no operator {shown(sign)}.", hint, sign_at)
        self.scan.skip_space()
        if sign in ("=", "!=") and self.opens_set():
            return Term(key, sign, self.choices(), at, chosen=True)
        return Term(key, sign, (self.value(f"{key}{sign}"),), at)

    def lacks_operator(self, key: Key, at: int) -> UserError:
        if key.text.lower() in _SPOKEN:
            return self.wrong(f"{shown(key.text)} is not a word of filters.", _SPOKEN[key.text.lower()], key.at)
        name, colon, value = key.text.partition(":")
        hint = f"Did you mean {name}={value}?" if colon and name and value else _SHAPE
        return self.wrong(f"{shown(str(key))} lacks an operator and a value.", hint, at)

    def value(self, before: str) -> Word:
        word = self.scan.word()
        if not word.text and not word.quoted:
            raise self.wrong(f"{shown(before)} lacks a value.", 'The empty text is "".')
        following = self.scan.peek()
        if word.quoted and following and following not in "|)" and not following.isspace():
            raise self.wrong("A quoted value ends with its quote.", 'Put all of it in quotes; \\" is a quote inside.')
        return word

    def opens_set(self) -> bool:
        """Whether `in(` comes next."""
        rest = self.scan.text[self.scan.at :]
        return rest.startswith("in") and rest[2:].lstrip().startswith("(")

    def choices(self) -> tuple[Word, ...]:
        opened = self.scan.at
        self.scan.take("in")
        self.scan.skip_space()
        self.scan.take("(")
        found: list[Word] = []
        while True:
            self.scan.skip_space()
            word = self.scan.word(",")
            if not word.text and not word.quoted:
                if not self.scan.peek():
                    raise self.wrong("This list is never closed.", "Like x in(1,2).", opened)
                raise self.wrong("A value is missing in this list.", 'The empty text is "".')
            found.append(word)
            if len(found) > MOST_CHOICES:
                raise self.wrong(f"A list takes at most {MOST_CHOICES} values.")
            self.scan.skip_space()
            if self.scan.take(")"):
                return tuple(found)
            if not self.scan.take(","):
                raise self.wrong("A comma stands between the values of a list, `)` after the last.", "Like x in(1,2).")
