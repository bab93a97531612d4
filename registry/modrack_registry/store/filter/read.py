"""Reads the value of a term as a check, by what its key holds. Each raises ValueError(message, hint)."""

from __future__ import annotations

import re
from collections.abc import Callable

from modrack_registry.store.filter import checks, operands
from modrack_registry.store.filter.checks import Check, any_of
from modrack_registry.store.filter.mistakes import shown
from modrack_registry.store.filter.nodes import Word
from modrack_registry.store.filter.subjects import STATUSES, Param
from modrack_registry.store.values import to_json
from modrack_registry.suggest import did_you_mean

# (operator without its `!`, word) -> check
Reader = Callable[[str, Word], Check]

_COMMIT = re.compile(r"[0-9a-f]{4,39}")
# Whole numbers beyond it are not exact as a double; an option keeps them as a text too.
_EXACT = 2**53


def numbers(one: Callable[[str], int | float | None]) -> Reader:
    """A number as `one` reads it, `A..B`, or `*`."""

    def read(order: str, word: Word) -> Check:
        if order == "~":
            raise ValueError("~ looks into texts, and this is a number.", "Like 0.1..0.2 after =.")
        if word.text == "*" and order == "=" and not word.quoted:
            return checks.Present()
        between = operands.ends(word.text) if order == "=" and not word.quoted else None
        if between is not None:
            low, high = (_one_number(end, word, one) if end else None for end in between)
            return _within(low, high, word)
        return checks.Number(order, _one_number(word.text, word, one))  # type: ignore[arg-type]

    return read


def dates(now: float) -> Reader:
    """A moment, a span before `now`, `A..B` of either, or `*`."""

    def read(order: str, word: Word) -> Check:
        if order == "~":
            raise ValueError("~ looks into texts, and this is a date.", "Like 2026-11 after =.")
        if word.text == "*" and order == "=":
            return checks.Present()
        between = operands.ends(word.text) if order == "=" else None
        if between is not None:
            low, high = (_one_date(end, now) if end else None for end in between)
            return _within(None if low is None else low[0], None if high is None else high[1], word, _short(high))
        begin, end = _one_date(word.text, now)
        if order != "=":
            return checks.Number(order, begin)  # type: ignore[arg-type]
        if operands.span(word.text) is not None:
            raise ValueError(
                f"{shown(word.text)} ago is a moment that nothing equals.",
                f"Within it is >{word.text}, or {word.text}.. after =.",
            )
        return checks.Within(begin, end, short=end > begin)

    return read


def texts(ordered: bool = True, short: bool = False) -> Reader:
    """A text or a pattern; `short` takes the beginning of a commit for all of it."""

    def read(order: str, word: Word) -> Check:
        if order == "~":
            return checks.Contains(checks.lower(word.text))
        if order != "=":
            if not ordered:
                raise ValueError(f"{order} cannot compare it.", "It takes = != ~ !~ and in(…).")
            return checks.Text(order, word.text)  # type: ignore[arg-type]
        if short and _COMMIT.fullmatch(word.text):
            return checks.Like(f"{word.text}*")
        return _exactly(word)

    return read


def statuses(order: str, word: Word) -> Check:
    """One of the statuses there are, or a pattern."""
    found = texts(ordered=False)(order, word)
    if isinstance(found, checks.Text) and word.text not in STATUSES:
        raise ValueError(f"there is no status {shown(word.text)}.", did_you_mean(word.text, STATUSES))
    return found


def options(param: Param) -> Reader:
    """What is typed decides: a number is compared with numbers, anything else with texts."""

    def read(order: str, word: Word) -> Check:
        value = None if word.quoted else operands.number(word.text)
        if order == "~":
            if param.numbers and not param.texts:
                raise ValueError(f"~ looks into texts, and {param.name} is a number.", "Like 0.1..0.2 after =.")
            return checks.Contains(checks.lower(word.text))
        if order != "=":
            if value is not None:
                if not param.numbers and param.texts:
                    raise ValueError(
                        f"{param.name} is a text, and {shown(word.text)} a number.", "Quotes make it a text."
                    )
                return checks.Number(order, float(value))  # type: ignore[arg-type]
            if param.numbers and not param.texts:
                raise ValueError(f"{param.name} is a number, and {shown(word.text)} is none.")
            return checks.Text(order, word.text)  # type: ignore[arg-type]
        return _same_number(param, value, word) if value is not None else _same_option(param, word)

    return read


def _same_option(param: Param, word: Word) -> Check:
    if word.quoted:
        return checks.Text("=", word.text)
    between = operands.ends(word.text)
    if between is not None and param.numbers:
        low, high = (operands.real(end) if end else None for end in between)
        if (low is None) == (not between[0]) and (high is None) == (not between[1]):
            return _within(low, high, word)
    if word.text == "*":
        return checks.Present()
    said = word.text.lower()
    if said == "none":
        return any_of(checks.IsNone(), checks.Text("=", word.text))
    if not param.texts and param.numbers and said not in ("true", "false"):
        raise ValueError(f"{param.name} is a number, and {shown(word.text)} is none.", _hint(word.text))
    spellings = [_exactly(word)]
    if said in ("true", "false") and said != word.text:
        spellings.append(checks.Text("=", said))
    if "," in word.text:
        spellings.append(checks.Text("=", to_json([_plain(each) for each in word.text.split(",")])))
    return any_of(*spellings)


def _same_number(param: Param, value: int | float, word: Word) -> Check:
    if isinstance(value, int) and abs(value) > _EXACT:
        return checks.Text("=", str(value))
    number = checks.Number("=", float(value))
    return any_of(number, checks.Text("=", word.text)) if param.texts else number


def _plain(text: str) -> object:
    found = operands.number(text)
    return found if found is not None else {"true": True, "false": False, "none": None}.get(text, text)


def _exactly(word: Word) -> Check:
    if word.quoted or not ("*" in word.text or "?" in word.text):
        return checks.Text("=", word.text)
    pattern = re.sub(r"\*+", "*", word.text)
    return checks.Present() if pattern == "*" else checks.Like(pattern)


def _one_number(text: str, word: Word, read: Callable[[str], int | float | None]) -> int | float:
    found = None if word.quoted else read(text)
    if found is None:
        raise ValueError(f"{shown(text)} is no number.", _hint(text))
    return found


def _hint(text: str) -> str | None:
    return "NaN satisfies nothing; METRIC@nans>0 finds it." if text.lower() == "nan" else None


def _one_date(text: str, now: float) -> tuple[float, float]:
    ago = operands.span(text)
    if ago is not None:
        return now - ago, now - ago
    try:
        found = operands.moment(text, now)
    except (ValueError, OverflowError, OSError):
        raise ValueError(f"{shown(text)} is no date that there is.") from None
    if found is None:
        raise ValueError(
            f"{shown(text)} is no date.", "Like 2026-11-01, 2026-11-01T12:30, today, or 2d for two days ago."
        )
    return found


def _short(high: tuple[float, float] | None) -> bool:
    return high is not None and high[1] > high[0]


def _within(low: int | float | None, high: int | float | None, word: Word, short: bool = False) -> Check:
    if low is not None and high is not None and low > high:
        raise ValueError(f"{shown(word.text)} runs backwards.", "The lower end, or the earlier, comes first.")
    return checks.Within(low, high, short)
