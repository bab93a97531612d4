"""Every command of docs/training.md, run in the order it stands."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from modrack.configure.settings import settings_options

PAGE = Path(__file__).parents[2] / "docs/training.md"


@pytest.mark.slow
def test_every_command(environment: Any, tmp_path: Path) -> None:
    ran = 0
    for block in re.findall(r"^```shell\n(.*?)^```$", PAGE.read_text("utf-8"), re.M | re.S):
        for line in block.splitlines():
            done = environment.shell(line, tmp_path)
            assert done.returncode == 0, (line, done.stdout, done.stderr)
            ran += 1
    assert ran >= 13
    assert json.loads((tmp_path / "step.json").read_text())["traceEvents"]


def test_settings_of_the_page_are_there() -> None:
    page, known = PAGE.read_text("utf-8"), settings_options()
    named = set(re.findall(r"`([a-z_.]+)=", page)) - {"optimizer.lr", "optimizer.momentum", "optimizer.fused"}
    assert named <= set(known), named - set(known)
