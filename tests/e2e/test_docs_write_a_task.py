"""docs/write-a-task.md: its files written, its commands run, and what it shows of their output compared."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from modrack_registry.store import open_store

PAGE = Path(__file__).parents[2] / "docs/write-a-task.md"


def blocks() -> list[tuple[str, str]]:
    """(language, text) of every fenced block."""
    return re.findall(r"^```(\w*)\n(.*?)^```$", PAGE.read_text("utf-8"), re.M | re.S)


def commands(console: str) -> list[tuple[str, str]]:
    """(command, output) of a block in which commands stand behind a dollar."""
    parts = re.split(r"^\$ (.*)\n", console, flags=re.M)
    assert not parts[0], f"output of no command: {parts[0]}"
    return list(zip(parts[1::2], parts[2::2], strict=True))


def shows(shown: str, output: str) -> bool:
    """Whether `output` is what the page shows: `…` stands for anything, and a number for any of its sign."""
    wanted = re.escape(shown.strip()).replace("…", ".*")
    wanted = re.sub(r"\d+(?:\\\.\d+)?", r"[\\d,]+(?:\\.\\d+)?", wanted)
    return re.fullmatch(wanted, output.strip(), re.S) is not None


def test_outputs_are_told_apart() -> None:
    assert shows("…\n  rmse  53.4\n", "what came before\n  rmse  7.25")
    assert not shows("  rmse  53.4\n", "  mae  53.4")
    assert not shows("a\n", "a\nb")


@pytest.mark.slow
def test_the_page(environment: Any, add_code: Any, tmp_path: Path) -> None:
    ran = []
    for language, block in blocks():
        if language != "console":
            add_code(language, block)
            continue
        for command, shown in commands(block):
            done = environment.shell(f"export COLUMNS=120; {command}", tmp_path)
            output = done.stdout + done.stderr
            wrong = "needs a model" in shown or "is not a float" in shown
            assert done.returncode == (2 if wrong else 0), (command, output)
            if shown:
                assert shows(shown, output), f"{command}\n--- the page\n{shown}\n--- now\n{output}"
            ran.append(command.split()[1])
    assert ran.count("train") == 4
    assert {"list", "check", "evaluate", "predict", "runs"} <= set(ran)
    # What did not fit left no run behind.
    [run] = open_store(tmp_path / "modrack-runs").runs()
    assert 0.8 < run.metrics["test.coverage"] <= 1
    assert run.metrics["test.rmse"] < 60
