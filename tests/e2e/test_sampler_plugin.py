"""A kind of its own: a plugin adds `sampler`, uses it, and brings commands and hooks; the core knows nothing of it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import modrack

PLUGIN = Path(__file__).with_name("sampler.py")
SMALL = ["--model", "mlp", "--dataset", "digits", "limit=100", "epochs=1"]
SMALL_VALUES = {"model": "mlp", "dataset": "digits", "limit": 100, "epochs": 1}


def call(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "modrack", *words], cwd=cwd, capture_output=True, text=True, timeout=120
    )


def test_from_the_command_line(tmp_path: Path) -> None:
    chosen = ["--sampler", "first", "sampler.share=0.2", "--callback", "seen", "--exporter", "listing"]
    done = call("train", "--plugin", str(PLUGIN), *SMALL, *chosen, "exporter.file=shapes.txt", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    folder = Path(json.loads(done.stdout)["folder"])
    assert (folder / "seen.txt").read_text() == "0 19 20"
    assert (folder / "exported/listing/shapes.txt").read_text().startswith("1.weight (256, 64)\n")
    assert (folder / "started.txt").read_text() == "run 1: running"
    assert (folder / "ended.txt").read_text() == "run 1: finished"
    # The hook that fails is told of, and the run stays what it is.
    assert "Plugin sampler: in modrack_run_ended: RuntimeError: this must not undo the run (" in done.stderr
    shown = json.loads(call("runs", "show", "1", "--json", cwd=tmp_path).stdout)
    used = {part["kind"]: part["full"] for part in shown["components"]}
    assert used["sampler"] == "sampler/first"
    assert shown["params"]["sampler.share"] == 0.2
    assert shown["status"] == "finished"


def test_from_a_file(tmp_path: Path) -> None:
    """Beside an experiment, in `plugins/`, nobody needs to name the plugin."""
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins/sampler.py").write_bytes(PLUGIN.read_bytes())
    (tmp_path / "e.toml").write_text(
        'model = "mlp"\ndataset = "digits"\nlimit = 100\nepochs = 1\nexporter = "listing"\n\n'
        '[sampler]\nuse = "first"\nshare = 0.3\n\n[[callback]]\nuse = "seen"\nfile = "rows.txt"\n'
    )
    done = call("train", "e.toml", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    folder = Path(json.loads(done.stdout)["folder"])
    assert (folder / "rows.txt").read_text() == "0 29 30"
    assert (folder / "exported/listing/weights.txt").exists()


def test_from_python(tmp_path: Path) -> None:
    chosen = {"sampler": "with-replacement", "callback": ["seen"], "exporter": "listing"}
    run = modrack.train(plugins=[PLUGIN], home=tmp_path, **SMALL_VALUES, **chosen)
    assert (run.folder / "exported/listing/weights.txt").exists()
    low, high, count = map(int, (run.folder / "seen.txt").read_text().split())
    assert 0 <= low < high < 100
    assert count < 75, "drawn with replacement, some rows come twice"
    again = modrack.train(plugins=[PLUGIN], home=tmp_path, **SMALL_VALUES, **chosen)
    assert again.metrics == run.metrics
    plain = modrack.train(plugins=[PLUGIN], home=tmp_path, **SMALL_VALUES)
    assert plain.metrics != run.metrics


def test_a_sampler_that_breaks_its_promise_stops_the_run_before_it_starts(tmp_path: Path) -> None:
    with pytest.raises(modrack.UserError) as caught:
        modrack.train(plugins=[PLUGIN], home=tmp_path / "home", **SMALL_VALUES, sampler="too-few")
    assert caught.value.lines == [
        "An order of 100 rows was asked for, and (3,) numbers came from 0 to 2.",
        "  Give 100 row numbers from 0 to 99; a row may come twice.",
    ]
    assert not (tmp_path / "home").exists()


def test_its_command_and_its_flag(tmp_path: Path) -> None:
    assert call("--plugin", str(PLUGIN), "samplers", cwd=tmp_path).stdout == "first, with-replacement\n"
    listed = call("list", "sampler", "--plugin", str(PLUGIN), cwd=tmp_path).stdout
    assert listed.startswith("sampler  which rows come next\n  first")
    assert "--sampler NAME" in call("train", "--plugin", str(PLUGIN), "--help", cwd=tmp_path).stdout


def test_a_kind_that_nothing_uses_is_told_of(tmp_path: Path) -> None:
    text = 'import modrack\n\n\n@modrack.hook\ndef modrack_kinds():\n    return [modrack.Kind("idle", "nothing")]\n\n\n'
    (tmp_path / "own.py").write_text(text + '@modrack.component("idle")\ndef one():\n    """One."""\n')
    done = call("train", "--plugin", "own.py", *SMALL, "--idle", "one", "--print-config", cwd=tmp_path)
    assert done.returncode == 0
    assert "idle own/one is recorded, and training does not use it: its Kind has no `use`." in done.stderr
