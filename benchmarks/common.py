"""What several benchmarks need: the rows that a run would have, and figures with their spread."""

from __future__ import annotations

import statistics
from typing import Any

from modrack.configure.resolve import resolve
from modrack.data.rows import chunks
from modrack.runner.build import load_data
from modrack_registry.registry import load_registry


def whole_splits(**words: Any) -> tuple[Any, dict[str, Any]]:
    """(data's facts, {split: all its rows by column}) of a run with these words."""
    data, splits = load_data(resolve(load_registry(), values=words, environment={}))
    return data, {name: next(chunks(rows, 10**9)) for name, rows in splits.items()}


def spread(values: list[float], digits: int = 4) -> str:
    """Mean and standard deviation, which one value alone has not."""
    mean = f"{statistics.fmean(values):.{digits}f}"
    return f"{mean} ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else mean
