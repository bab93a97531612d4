from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from modrack_registry.store import Recorder, RunStart, Store, open_store


def facts(**more: Any) -> RunStart:
    """The facts of a small run."""
    known: dict[str, Any] = {
        "config": {"model": {"use": "modrack/cnn", "width": 64}, "seed": 7},
        "params": {"model.width": 64, "optimizer.lr": 0.01},
        "components": [
            {"kind": "model", "name": "cnn", "full": "modrack/cnn", "plugin": "modrack", "digest": "d1"},
            {"kind": "dataset", "name": "digits", "full": "modrack/digits", "plugin": "modrack", "digest": "d2"},
        ],
        "command": ["modrack", "train"],
        "seed": 7,
    }  # fmt: skip
    return RunStart(**(known | more))


@pytest.fixture
def start() -> Callable[..., RunStart]:
    return facts


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = open_store(tmp_path / "runs")
    yield made
    made.database.close()


@pytest.fixture
def recorder(store: Store) -> Iterator[Recorder]:
    made = store.start(facts())
    yield made
    made._writer.close()
