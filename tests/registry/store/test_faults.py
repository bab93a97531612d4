"""The n-th change of a file fails, or the process is killed there, for n = 1, 2, 3 … until a run meets no fault.

`faults.c` stands between the store (SQLite too) and the system: each write (of which the first half is done), truncate,
sync, rename, link, unlink, mkdir and making of a file fails in its turn. `faulty.py` records runs on top of it.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux") or shutil.which("cc") is None, reason="needs Linux and a C compiler"
)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("faults") / "faults.so"
    subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", made, HERE / "faults.c", "-ldl"], check=True, timeout=60)
    return made


def walk(library: Path, home: Path, *words: object) -> list[dict[str, Any]]:
    """What `faulty.py` saw, a dict for each n."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("MODRACK_")}
    done = subprocess.run(
        [sys.executable, HERE / "faulty.py", *map(str, words)],
        env={**kept, "LD_PRELOAD": str(library)},
        capture_output=True,
        text=True,
        timeout=550,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


SHORT = 11  # of the plain run: each eleventh n
ALL = pytest.param(1, marks=pytest.mark.slow)


@pytest.mark.parametrize("stride", [SHORT, ALL])
@pytest.mark.parametrize("code", [errno.EIO, pytest.param(errno.ENOSPC, marks=pytest.mark.slow)])
def test_one_change_fails(library: Path, tmp_path: Path, code: int, stride: int) -> None:
    seen = walk(library, tmp_path, "fail", tmp_path, 1, stride, 1, code)
    assert [line for line in seen if line["wrong"]] == []
    assert len(seen) * stride > 50
    calls = {line["what"].split()[0] for line in seen if line["what"]}
    assert calls >= {"pwrite", "fdatasync"}
    # Where it did not start, an error said why; a fault that SQLite could not bridge was told, once.
    assert all(line["said"] for line in seen if not line["started"])
    assert any(line["said"] for line in seen if line["started"])
    assert all("\n" not in said for line in seen for said in line["said"])


@pytest.mark.parametrize("stride", [SHORT, ALL])
def test_every_change_fails_for_a_while(library: Path, tmp_path: Path, stride: int) -> None:
    seen = walk(library, tmp_path, "fail", tmp_path, 1, stride, 10**9, errno.ENOSPC)
    assert [line for line in seen if line["wrong"]] == []
    assert any("waits in memory" in said for line in seen for said in line["said"])


@pytest.mark.parametrize("stride", [SHORT, ALL])
def test_a_backup_fails(library: Path, tmp_path: Path, stride: int) -> None:
    seen = walk(library, tmp_path, "copy", tmp_path, 1, stride, errno.ENOSPC)
    assert [line for line in seen if line["wrong"]] == []
    assert any(line["said"] for line in seen)


@pytest.mark.parametrize("stride", [SHORT, ALL])
def test_killed_at_each_change(library: Path, tmp_path: Path, stride: int) -> None:
    seen = walk(library, tmp_path, "kill", tmp_path, 1, stride)
    assert [line for line in seen if line["wrong"]] == []
    assert {line["steps"] for line in seen} >= {0, 3}
