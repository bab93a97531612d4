"""Numbers that are spelled as texts, and what among many of them is none."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import modrack

# Texts are meant as numbers where nine of ten that hold something spell one, of ten or more.
SHARE, LEAST = 0.9, 10


def numeral(value: Any) -> float | None:
    """The number that a cell is or spells; None where it is none."""
    if isinstance(value, (int, float)):
        return float(value)
    try:
        number = float(value) if isinstance(value, str) and "_" not in value else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def numerals(values: Iterable[Any]) -> list[float]:
    """The numbers among the values, those with a comma for a point too."""
    spelled = (value.replace(",", ".") if isinstance(value, str) else value for value in values)
    return [number for number in map(numeral, spelled) if number is not None]


def refuse_odd_ones(values: Sequence[Any], what: str, where: Callable[[int], str]) -> None:
    """Raise UserError for the first text that is no number where nearly all others are; `what` the texts are."""
    held = [(place, value) for place, value in enumerate(values) if isinstance(value, str) and value.strip()]
    odd = [(place, value) for place, value in held if numeral(value) is None]
    if len(held) < LEAST or not odd:
        return
    place, value = odd[0]
    if len(odd) <= (1 - SHARE) * len(held):
        raise modrack.UserError(
            f"{where(place)}: {what} {value!r} is no number, and {len(held) - len(odd)} other rows have one there.",
            "Correct it, or leave it empty.",
        )
    if len(numerals(value for _, value in held)) >= SHARE * len(held):
        raise modrack.UserError(
            f"{where(place)}: {what} {value!r} is no number.", "Write a point in the place of its comma."
        )


def as_numbers(values: Sequence[Any], what: str, where: Callable[[int], str]) -> list[float]:
    """The numbers that the values are or spell. Raises UserError for the first that is none; `what` the values are."""
    made = [numeral(value) for value in values]
    odd = next((place for place, number in enumerate(made) if number is None), None)
    if odd is not None:
        raise modrack.UserError(
            f"{where(odd)}: {what} {values[odd]!r} is no number, and those of train are.",
            "Correct it, or drop the row.",
        )
    return [number for number in made if number is not None]
