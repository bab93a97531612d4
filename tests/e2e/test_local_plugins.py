"""Plugin files: named, or lying beside an experiment; chosen before any is imported; kept with the run."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import modrack

TRACE = "import pathlib\npathlib.Path(__file__).with_suffix('.seen').write_text('imported')\n"
NET = '''
import modrack


@modrack.model(takes="image", gives="logits")
def {name}(data, *, width: int = 8):
    """{says}"""
    import math

    from torch import nn

    return nn.Sequential(nn.Flatten(), nn.Linear(math.prod(data.shape), len(data.classes)))
'''


def call(*words: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MODRACK")}
    return subprocess.run(
        [sys.executable, "-m", "modrack", *words], cwd=cwd, env=kept | env, capture_output=True, text=True, timeout=120
    )


def write(path: Path, name: str, says: str = "A net.") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(TRACE + NET.format(name=name, says=says))
    return path


def seen(folder: Path) -> set[str]:
    """Which files were imported since the last call."""
    found = list(folder.rglob("*.seen"))
    for file in found:
        file.unlink()
    return {file.stem for file in found}


def test_which_files_are_imported(tmp_path: Path) -> None:
    write(tmp_path / "one.py", "one")
    write(tmp_path / "two.py", "two")
    write(tmp_path / "plugins/near.py", "near")
    write(tmp_path / "plugins/other.py", "other")
    write(tmp_path / "plugins/deeper/far.py", "far")
    (tmp_path / "e.toml").write_text('model = "near"\n')
    show = ("train", "e.toml", "--print-config")

    def imported(*words: str, **env: str) -> set[str]:
        done = call(*words, cwd=tmp_path, **env)
        assert done.returncode == 0, done.stderr
        return seen(tmp_path)

    assert imported(*show) == {"near", "other"}
    assert imported(*show, "--plugin", "one.py", "--plugin", "two.py") == {"near", "other", "one", "two"}
    assert imported(*show, "--without", "other") == {"near"}
    assert imported(*show, "--plugin", "one.py", MODRACK_PLUGINS="near") == {"near", "one"}
    assert imported("plugins", "--plugin", "one.py", "--plugin", "two.py", "--without", "two") == {"one"}
    assert imported("list", "--plugin", "one.py", MODRACK_PLUGINS="") == {"one"}
    assert imported("train", "--print-config") == set(), "without a file, no folder is looked into"
    # Empty means built-ins only: the model of the file is nobody's then.
    done = call(*show, cwd=tmp_path, MODRACK_PLUGINS="")
    assert done.returncode == 2
    assert "There is no model 'near'" in done.stderr
    assert seen(tmp_path) == set()


def test_a_run_keeps_what_it_was_made_with(tmp_path: Path) -> None:
    first = write(tmp_path / "a/same.py", "first")
    second = write(tmp_path / "b/same.py", "second")
    words = ["--plugin", str(first), "--plugin", str(second), "--model", "second", "steps=1", "limit=60", "--json"]
    done = call("train", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    folder = Path(json.loads(done.stdout)["folder"])
    copies = sorted(path.read_bytes() for path in (folder / "plugins").rglob("same.py"))
    assert copies == sorted([first.read_bytes(), second.read_bytes()])
    listed: list[dict[str, Any]] = json.loads((folder / "plugins.json").read_text())
    digests = {each["location"]: each["digest"] for each in listed if each["origin"] == "file"}
    assert digests == {str(file): hashlib.sha256(file.read_bytes()).hexdigest() for file in (first, second)}
    shown = json.loads(call("runs", "show", "1", "--json", cwd=tmp_path).stdout)
    [model] = [part for part in shown["components"] if part["kind"] == "model"]
    assert (model["full"], model["digest"]) == ("same/second", digests[str(second)])


def test_an_edited_file_is_read_again(tmp_path: Path) -> None:
    """In a notebook one process trains, the file is edited, and it trains again."""
    from modrack_registry.registry import load_registry

    file = write(tmp_path / "own.py", "net", "Before.")
    before = load_registry([file], without=["modrack"])
    assert before.find("model", "net").summary == "Before."
    assert (
        load_registry([file], without=["modrack"]).find("model", "net").factory is before.find("model", "net").factory
    )
    write(file, "net", "After.")
    after = load_registry([file], without=["modrack"])
    assert after.find("model", "net").summary == "After."
    [plugin] = after.plugins
    assert plugin.digest == hashlib.sha256(file.read_bytes()).hexdigest()


def test_a_files_module_is_called_the_same_in_every_process(tmp_path: Path) -> None:
    file = write(tmp_path / "own.py", "net")
    script = (
        "from modrack_registry.registry import load_registry; "
        f"print(load_registry([{str(file)!r}]).find('model', 'own/net').factory.__module__)"
    )
    said = {
        subprocess.run([sys.executable, "-c", script], env=os.environ | {"PYTHONHASHSEED": seed}, capture_output=True)
        .stdout.decode()
        .strip()
        for seed in ("1", "2")
    }
    assert len(said) == 1
    assert said.pop().endswith("_own")


def test_a_run_of_a_local_file_is_resumed_from_its_copy(tmp_path: Path) -> None:
    file = write(tmp_path / "own.py", "net")
    stop = tmp_path / "stop.py"
    stop.write_text(
        "import os, signal\nimport modrack\n\n\n@modrack.callback\nclass Stop:\n    '''Stops after three steps.'''\n\n"
        "    def stepped(self, training):\n        if training.step == 3:\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
    )
    words = ["--plugin", "own.py", "--plugin", "stop.py", "--model", "net", "--callback", "stop", "steps=6", "limit=60"]
    assert call("train", *words, cwd=tmp_path).returncode == 130
    file.unlink()
    stop.unlink()
    done = call("resume", "1", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["status"] == "finished"
    assert modrack.runs(home=tmp_path / "modrack-runs")[0].status == "finished"
