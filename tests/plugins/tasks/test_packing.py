"""Rows laid out for language models: nothing is lost, and nothing is too long."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from modrack.seam import Ragged
from modrack_plugins.tasks.packing import cut, join


def rows_of(column: Ragged) -> list[list[int]]:
    return [column.values[a:b].tolist() for a, b in zip(column.offsets[:-1], column.offsets[1:], strict=True)]


@pytest.mark.parametrize("length", [2, 3, 5, 64])
def test_joined_rows_predict_each_token_once(length: int) -> None:
    texts = [[1, 2, 3], [], [4], [5, 6, 7, 8, 9, 10, 11]]
    made = rows_of(join(Ragged.of(texts, 0, np.int32), length, 99))
    stream = [99, *(token for text in texts for token in (*text, 99))]
    assert [token for row in made for token in row[1:]] == stream[1:]
    assert made[0][0] == 99
    assert all(row[0] == before[-1] for before, row in itertools.pairwise(made))
    assert {len(row) for row in made[:-1]} <= {length}
    assert 2 <= len(made[-1]) <= length


@pytest.mark.parametrize("length", [3, 4, 7, 64])
def test_cut_rows_keep_their_marks(length: int) -> None:
    inner = [[1, 2, 3], [], [4], list(range(5, 25))]
    made = rows_of(cut(Ragged.of([[98, *row, 99] for row in inner], 0, np.int32), length))
    assert all(row[0] == 98 and row[-1] == 99 and 3 <= len(row) <= length for row in made)
    assert [token for row in made for token in row[1:-1]] == [token for row in inner for token in row]
    last = [len(row) for row in made if row[1] >= 5]
    assert max(last) - min(last) <= 1, "no row ends in a small rest"


def test_rows_that_fit_stay_as_they_are() -> None:
    column = Ragged.of([[98, 1, 99], [98, 2, 3, 99]], 7, np.int32)
    made = cut(column, 4)
    assert rows_of(made) == rows_of(column)
    assert (made.pad, made.values.dtype) == (7, np.int32)
