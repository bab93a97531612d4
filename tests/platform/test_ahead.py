"""A thread that works ahead: in order, no further than it may, and gone when nobody wants more."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import pytest

from modrack.runner.ahead import ahead


def threads() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name == "modrack-ahead"]


def test_items_come_in_order_and_the_thread_ends() -> None:
    assert list(ahead(iter(range(100)), 3)) == list(range(100))
    assert not threads()


def test_it_works_ahead_and_no_further() -> None:
    made: list[int] = []
    third = threading.Event()

    def source() -> Iterator[int]:
        for number in range(10):
            made.append(number)
            if number == 3:
                third.set()
            yield number

    taken = ahead(source(), 2)
    assert next(taken) == 0
    # Two wait, and one is in the hand of the thread.
    assert third.wait(10)
    assert made == [0, 1, 2, 3]
    assert next(taken) == 1
    assert list(taken) == list(range(2, 10))


def test_who_stops_early_ends_thread_and_source() -> None:
    closed = threading.Event()

    def source() -> Iterator[int]:
        try:
            yield from range(10**9)
        finally:
            closed.set()

    taken = ahead(source(), 1)
    assert next(taken) == 0
    taken.close()  # type: ignore[attr-defined]
    assert closed.is_set()
    assert not threads()


def test_what_goes_wrong_there_is_raised_here() -> None:
    def source() -> Iterator[int]:
        yield 1
        raise ValueError("broken row")

    taken = ahead(source(), 1)
    assert next(taken) == 1
    with pytest.raises(ValueError, match="broken row"):
        next(taken)
    assert not threads()


def test_the_thread_works_within_the_context() -> None:
    within = threading.local()

    @contextlib.contextmanager
    def around() -> Iterator[None]:
        within.yes = True
        yield

    assert list(ahead((hasattr(within, "yes") for _ in range(3)), 1, around)) == [True] * 3
