"""The shape of the house: what must never come back."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_platform_is_pythons_own_from_the_root() -> None:
    code = "import platform; print(platform.system())"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip()


@pytest.mark.parametrize("room", ["platform", "registry", "plugins", "tests", "tests/platform", "tests/registry"])
def test_source_roots_are_no_packages(room: str) -> None:
    assert not (ROOT / room / "__init__.py").exists()


def test_no_submodule_bears_a_public_functions_name() -> None:
    import modrack

    modules = {path.stem for path in (ROOT / "platform/modrack").iterdir() if not path.name.startswith("__")}
    assert not modules & set(modrack.__all__)


def test_platform_and_registry_name_no_plugin() -> None:
    for room in ("platform/modrack", "registry/modrack_registry"):
        for path in (ROOT / room).rglob("*.py"):
            assert "modrack_plugins" not in path.read_text("utf-8"), path


def test_importing_the_public_face_and_every_built_in_is_light() -> None:
    code = (
        "import sys; from modrack_registry.registry import load_registry\n"
        "registry = load_registry(); assert not registry.broken, registry.broken\n"
        "[component.options for component in registry.components()]\n"
        "heavy = {'torch', 'transformers', 'datasets', 'pydantic', 'numpy', 'sqlalchemy', 'rich', 'sklearn'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_no_pickle_anywhere() -> None:
    for room in ("platform", "registry", "plugins"):
        for path in (ROOT / room).rglob("*.py"):
            text = path.read_text("utf-8")
            assert "import pickle" not in text, path
            assert "torch.load(" not in text, path
            assert "trust_remote_code=True" not in text, path
