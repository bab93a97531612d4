"""The commands of the pages on language models and on models of images name parts and options that are there."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

PAGES = Path(__file__).parents[2] / "docs" / "tasks"


def commands() -> list[str]:
    pages = ("masked-lm.md", "causal-lm.md", "contrastive.md", "vae.md", "gan.md", "images.md")
    texts = [(PAGES / page).read_text("utf-8") for page in (*pages, "../pictures.md")]
    found = [line for text in texts for line in re.findall(r"^`?(modrack train .*?)(?:`\.?)?$", text, re.M)]
    # The extra `timm` fits other versions of torch than the tests are run with; its parts have a test of their own.
    return [line for line in found if " timm/" not in line or find_spec("timm") is not None]


def test_there_are_commands() -> None:
    assert len(commands()) >= 12


@pytest.mark.parametrize("command", commands())
def test_each_is_understood(command: str) -> None:
    words = [sys.executable, "-m", "modrack", *shlex.split(command)[1:], "--print-config", "--json"]
    done = subprocess.run(words, cwd=PAGES.parents[1], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
