from __future__ import annotations

from pathlib import Path

import pytest

from modrack.configure.resolve import resolve
from modrack_registry.registry import load_registry


@pytest.fixture(scope="session")
def registry():
    return load_registry([Path(__file__).parent / "parts.py"], without=["modrack"])


@pytest.fixture
def settle(registry):
    """Resolve against the sample plugin, with an empty environment unless the test gives one."""

    def settle(*words, environment=None, **given):
        return resolve(registry, words=words, environment=environment or {}, **given)

    return settle


@pytest.fixture
def write(tmp_path):
    """Write an experiment file."""

    def write(text, name="experiment.toml"):
        file = tmp_path / name
        file.write_text(text, "utf-8")
        return file

    return write
