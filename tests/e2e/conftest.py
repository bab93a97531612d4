"""Environments of their own for tests that install what an author would publish."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

PYPROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "{name}"
version = "{version}"
dependencies = {dependencies}

[project.entry-points.modrack]
{entry} = "{module}"

[tool.hatch.build.targets.wheel]
include = ["{module}.py"]
"""


class Environment:
    """A virtual environment that sees its parent's packages, into which distributions can be installed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        venv.create(folder / "venv", with_pip=False, symlinks=True)
        self.python = folder / "venv/bin/python"
        [self.site] = (folder / "venv/lib").glob("python*/site-packages")
        # Not a plain line: the parent's own .pth files, as those of an editable install, are to be read too.
        (self.site / "parent.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n")

    def install(self, *sources: Path) -> None:
        """Build and install with pip, from these folders alone."""
        pip = [sys.executable, "-m", "pip", "--python", str(self.python), "install", "--quiet"]
        only = ["--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]
        done = subprocess.run([*pip, *only, *map(str, sources)], capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr

    def shell(self, line: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        """Run a line as a person types it, with this environment's `modrack`, `pip`, `python` and `pytest`."""
        pip = f"exec {sys.executable} -m pip --python {self.python} --disable-pip-version-check --quiet"
        scripts = {
            "modrack": f'exec {self.python} -m modrack "$@"',
            "pytest": f'exec {self.python} -m pytest -p no:cacheprovider "$@"',
            # What would fetch from an index and build in yet another environment stays in this one.
            "pip": f'{pip} "$1" --no-deps --no-build-isolation --no-index "${{@:2}}"',
        }
        for name, text in scripts.items():
            script = self.python.with_name(name)
            script.write_text(f"#!/usr/bin/env bash\n{text}\n")
            script.chmod(0o755)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("MODRACK", "PYTHON"))}
        path = f"{self.python.parent}{os.pathsep}{kept['PATH']}"
        return subprocess.run(
            ["bash", "-c", line], cwd=cwd, env=kept | {"PATH": path}, capture_output=True, text=True, timeout=300
        )

    def modrack(self, *words: str, cwd: Path | None = None, **env: str) -> subprocess.CompletedProcess[str]:
        """Run `python -m modrack` in it; `env` adds to the environment."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("MODRACK", "PYTHON"))}
        return subprocess.run(
            [str(self.python), "-m", "modrack", *words],
            cwd=cwd or self.folder, env=kept | {"COLUMNS": "200"} | env, capture_output=True, text=True, timeout=300,
        )  # fmt: skip


@pytest.fixture
def add_code(tmp_path: Path) -> Callable[[str, str], None]:
    """Append a page's block of code to the file, in the test's folder, that its first line names."""

    def add(language: str, block: str) -> None:
        head, _, body = block.partition("\n")
        assert head.startswith("# file: "), f"a block of {language} that no test could run: {head}"
        path = tmp_path / head.removeprefix("# file: ")
        path.parent.mkdir(exist_ok=True)
        with path.open("a") as file:
            file.write(body + "\n\n")

    return add


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """A fresh environment for the tests of one module."""
    return Environment(tmp_path_factory.mktemp("environment"))


@pytest.fixture(scope="module")
def distribution(environment: Environment) -> Callable[..., Path]:
    """Write a distribution of one module; gives its folder."""

    def write(
        name: str, text: str, *, version: str = "1.0", requires: tuple[str, ...] = ("modrack",), entry: str = "parts"
    ) -> Path:
        folder = environment.folder / "sources" / name
        folder.mkdir(parents=True)
        module = name.replace("-", "_")
        facts: Mapping[str, object] = {
            "name": name, "version": version, "dependencies": list(requires), "entry": entry, "module": module,
        }  # fmt: skip
        (folder / "pyproject.toml").write_text(PYPROJECT.format(**facts))
        (folder / f"{module}.py").write_text(text)
        return folder

    return write
