"""A summary row says what its points say, whatever was logged in whatever order."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from modrack_registry.store import RunStart, open_store, schema

NUMBERS = st.one_of(st.floats(width=32), st.sampled_from([math.nan, math.inf, -math.inf, 0.0, 1.0]))
# Batches of (step, value); a flush after each.
LOGGED = st.lists(st.lists(st.tuples(st.integers(0, 12), NUMBERS), max_size=8), max_size=5)


def expected(points: dict[int, float]) -> dict[str, float | int | None]:
    steps = sorted(points)
    numbers = [(points[step], step) for step in steps if points[step] == points[step]]
    low = min(numbers, key=lambda pair: pair[0], default=(None, None))
    high = max(numbers, key=lambda pair: pair[0], default=(None, None))

    def stored(value: float) -> float | None:
        return None if value != value else value

    return {
        "n": len(steps), "nans": len(steps) - len(numbers),
        "first": stored(points[steps[0]]), "first_step": steps[0],
        "last": stored(points[steps[-1]]), "last_step": steps[-1],
        "min": low[0], "min_step": low[1], "max": high[0], "max_step": high[1],
    }  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(LOGGED)
def test_summary_equals_points(batches: list[list[tuple[int, float]]]) -> None:
    with tempfile.TemporaryDirectory() as home:
        store = open_store(Path(home))
        recorder = store.start(RunStart(config={}, params={}, components=[]))
        points: dict[int, float] = {}
        for batch in batches:
            for step, value in batch:
                recorder.log(step, {"m": value})
                points[step] = value
            recorder.flush()
        recorder.finish("finished")
        with store.database.read() as connection:
            assert connection is not None
            row = connection.execute(select(schema.series)).mappings().first()
        store.database.close()
    if not points:
        assert row is None
    else:
        assert row is not None
        assert {name: row[name] for name in expected(points)} == expected(points)
