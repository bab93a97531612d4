"""The baseline of language models is right itself, or beating it says nothing."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest


@pytest.fixture(scope="module")
def ngram() -> Any:
    place = Path(__file__).parents[3] / "benchmarks" / "ngram.py"
    spec = importlib.util.spec_from_file_location("ngram_baseline", place)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["ngram_baseline"] = module
    spec.loader.exec_module(module)
    return module


def test_chances_add_up_to_one(ngram: Any) -> None:
    stream = np.random.default_rng(0).integers(0, 6, 40) % 5
    model = ngram.Ngrams(stream, 7)
    for before in ((0, 1), (3, 3), (6, 6)):
        chances = [model.chances(np.array([*before, token]))[0] for token in range(7)]
        assert sum(chances) == pytest.approx(1)
        assert min(chances) > 0, "also of tokens that were never seen"


@pytest.mark.parametrize("order", [1, 2, 4])
def test_any_order_is_a_distribution(ngram: Any, order: int) -> None:
    stream = np.random.default_rng(0).integers(0, 6, 60) % 5
    model = ngram.Ngrams(stream, 7, order)
    before = np.arange(order - 1)
    assert sum(model.chances(np.array([*before, token]))[0] for token in range(7)) == pytest.approx(1)
    assert len(model.chances(stream)) == 60 - order + 1


def test_a_pattern_is_learned(ngram: Any) -> None:
    pattern = np.tile([0, 1, 2, 3, 4, 2], 200)
    model = ngram.Ngrams(pattern, 5)
    assert model.perplexity(pattern) < 1.2
    assert model.perplexity(np.random.default_rng(0).integers(0, 5, 500)) > 5


def test_lower_orders_count_kinds_not_times(ngram: Any) -> None:
    """Kneser and Ney's point: what always follows one word is no likely guess after another."""
    # 1 comes often, but behind 0 alone; 2 comes as often as 5, behind many.
    stream = np.array([0, 1] * 60 + [3, 2, 4, 2, 5, 2, 6, 2, 7, 2])
    model = ngram.Ngrams(stream, 9)
    after_unknown = model.chances(np.array([8, 8, 1]))[0], model.chances(np.array([8, 8, 2]))[0]
    assert after_unknown[1] > 2 * after_unknown[0]
