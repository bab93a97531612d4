"""Every block of docs/runs.md, run in the order it stands."""

from __future__ import annotations

import csv
import re
import sqlite3
from pathlib import Path
from typing import Any

import pytest

PAGE = Path(__file__).parents[2] / "docs/runs.md"


@pytest.mark.slow
def test_every_block(environment: Any, tmp_path: Path) -> None:
    ran = 0
    for language, block in re.findall(r"^```(\w+)\n(.*?)^```$", PAGE.read_text("utf-8"), re.M | re.S):
        if language == "shell":
            for line in block.splitlines():
                done = environment.shell(line, tmp_path)
                assert done.returncode == 0, (line, done.stdout, done.stderr)
                ran += 1
        elif language == "python":
            (tmp_path / "ask.py").write_text(block)
            done = environment.shell("python ask.py", tmp_path)
            assert done.returncode == 0, (done.stdout, done.stderr)
            assert "model.width" in done.stdout
    assert ran >= 30
    assert (tmp_path / "runs.parquet").stat().st_size > 0
    assert {row["metric"] for row in csv.DictReader((tmp_path / "curves.csv").open())} >= {"train.lr", "test.accuracy"}
    assert sqlite3.connect(tmp_path / "copy.db").execute("select count(*) from run").fetchone()[0] >= 3
    stored = sqlite3.connect(tmp_path / "modrack-runs/runs.db")
    assert stored.execute("select count(*) from v_runs where test_accuracy is not null").fetchone()[0] >= 3


def test_the_views_are_as_the_page_says(tmp_path: Path) -> None:
    import modrack_registry.store.views as views

    page = PAGE.read_text("utf-8")
    for view in views.VIEWS:
        assert f"| `{view}` |" in page
    for column in ("nans", "min_step", "better", "seconds", "number"):
        assert any(column in select for select in views._TALL.values())
        assert f"`{column}`" in page or column in page
