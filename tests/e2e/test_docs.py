"""Every block of docs/plugins.md, run in the order it stands; docs/contract.md is what the code says."""

from __future__ import annotations

import functools
import importlib.util
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import pytest

import modrack

DOCS = Path(__file__).parents[2] / "docs"


def blocks(page: str) -> list[tuple[str, str]]:
    """(language, text) of every fenced block."""
    return re.findall(r"^```(\w*)\n(.*?)^```$", (DOCS / page).read_text("utf-8"), re.M | re.S)


@pytest.mark.slow
def test_the_plugin_tutorial(environment: Any, add_code: Any, tmp_path: Path) -> None:
    """Blocks of code begin with the file they belong to; the others are lines for a shell."""
    ran = 0
    for language, block in blocks("plugins.md"):
        if language:
            add_code(language, block)
            continue
        for line in block.splitlines():
            words = line.partition("#")[0].rstrip()
            if words.startswith("modrack train"):
                words += " limit=200" if "epochs=" in words else " limit=200 epochs=1"
            done = environment.shell(words, tmp_path)
            assert done.returncode == 0, (line, done.stdout, done.stderr)
            ran += 1
    assert ran >= 18
    assert {path.suffix for path in (tmp_path / "modrack-two/dist").iterdir()} == {".whl", ".gz"}
    assert (tmp_path / "modrack-runs/3/note.txt").read_text().startswith("finished with {")


def test_the_contract_is_what_the_code_says() -> None:
    spec = importlib.util.spec_from_file_location("write_contract", DOCS / "write_contract.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    made = module.contract()
    assert (DOCS / "contract.md").read_text("utf-8") == made, "run python docs/write_contract.py"
    for kind in ("model", "dataset", "optimizer", "scheduler", "metric", "task", "callback", "exporter"):
        assert f"\n## {kind}: " in made


@pytest.mark.parametrize("block", [text for language, text in blocks("contract.md") if language == "python"])
def test_the_hooks_examples_run(block: str, tmp_path: Path) -> None:
    def wide(data: Any, *, width: int = 64) -> None:
        """Wide."""

    names: dict[str, Any] = {"modrack": modrack, "click": click, "functools": functools, "wide": wide}
    exec(block, names)
    [hook] = [each for name, each in names.items() if name.startswith("modrack_")]
    call: Callable[..., Any] = hook
    run = SimpleNamespace(folder=tmp_path, id=1, status="finished", metrics={})
    made = call(run) if "run" in hook.__code__.co_varnames[: hook.__code__.co_argcount] else call()
    if made is not None:
        assert len(list(made) if not isinstance(made, dict) else made) >= 1
