"""Tab, in each shell: what is offered, and that nothing heavy is loaded for it."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

import modrack

BIN = Path(sys.executable).parent
HEAVY = {"torch", "transformers", "datasets", "pydantic", "numpy", "sklearn", "sqlalchemy", "alembic", "rich"}
PLUGIN = """
import modrack

sampler = modrack.component("sampler")


@modrack.hook
def modrack_kinds():
    return [modrack.Kind("sampler", "which rows come next")]


@sampler
def backwards(*, step: int = 3, wrap: bool = True):
    "From the end."


@modrack.model
def c_net(data, *, depth: int = 2):
    "A net."
"""


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MODRACK", "_MODRACK"))}
    return kept | {"PATH": f"{BIN}{os.pathsep}{kept['PATH']}", "TERM": "dumb"} | more


def offered(line: str, cwd: Path, **env: str) -> list[str]:
    """The words offered for `line`, as fish is told them."""
    asked = environment(_MODRACK_COMPLETE="fish_complete", COMP_LINE=line, **env)
    done = subprocess.run(["modrack"], cwd=cwd, env=asked, capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    return [row.partition("\t")[0] for row in done.stdout.splitlines()]


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("modrack tr", ["train"]),
        ("modrack runs sh", ["show"]),
        ("modrack train --model cn", ["cnn"]),
        ("modrack train --model=cn", ["--model=cnn"]),
        ("modrack train --model modrack/cn", ["modrack/cnn"]),
        ("modrack train --opt", ["--optimizer"]),
        ("modrack train model.wi", ["model.width="]),
        ("modrack train --model bert model.la", ["model.layers="]),
        ("modrack train model.dex", []),
        ("modrack train mod", ["model."]),
        ("modrack train metric.", ["metric.accuracy.average="]),
        ("modrack train checkpoint.", ["checkpoint.every=", "checkpoint.keep="]),
        ("modrack train precision=", [f"precision={each}" for each in ("auto", "fp32", "bf16", "fp16")]),
        ("modrack train compile=", ["compile=true", "compile=false", "compile=none"]),
        ("modrack train --metric f1 metric.f1.average=ma", ["metric.f1.average=macro"]),
        ("modrack train --metric f1 monitor=validation.f", ["monitor=validation.f1"]),
        ("modrack train model.dropout=", ["model.dropout=0.0"]),
        ("modrack train exp", ["experiment.toml"]),
        ("modrack train experiment.toml model.la", ["model.layers="]),
        ("modrack train --dataset files dataset.path=da", ["dataset.path=data/"]),
        ("modrack train --plugin o", ["own.py"]),
        ("modrack train --plugin own.py --sampler ", ["backwards"]),
        ("modrack train --plugin own.py sampler.", ["sampler.step=", "sampler.wrap="]),
        ("modrack train --plugin own.py --sampler backwards sampler.wrap=f", ["sampler.wrap=false"]),
        ("modrack train --plugin own.py --model c", ["c-net", "cnn", "conv-gru"]),
        ("modrack train --plugin own.py --without modr", ["modrack"]),
        ("modrack show opt", ["optimizer"]),
        ("modrack show dataset na", ["names"]),
        ("modrack list --plugin own.py model c-", ["c-net"]),
        ("modrack new pl", ["plugin"]),
        ("modrack check o", ["own.py"]),
        ("modrack nothing of the ki", []),
        ("MODRACK_HOME=x /some/where/modrack tr", ["train"]),
    ],
)
def test_what_is_offered(line: str, wanted: list[str], tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(PLUGIN)
    (tmp_path / "experiment.toml").write_text('[model]\nuse = "bert"\n')
    (tmp_path / "data").mkdir()
    assert offered(line, tmp_path) == wanted


def test_families(tmp_path: Path) -> None:
    """Their names come from the index that `modrack list` makes, and Tab makes none."""
    home = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "HOME": str(tmp_path)}
    assert offered("modrack train --optimizer tor", tmp_path, **home) == ["torch/"]
    assert offered("modrack train --optimizer torch/adag", tmp_path, **home) == []
    listed = ["modrack", "list", "optimizer", "torch/*"]
    assert subprocess.run(listed, env=environment(**home), capture_output=True).returncode == 0
    assert offered("modrack train --optimizer torch/adag", tmp_path, **home) == ["torch/adagrad"]
    assert offered("modrack train --optimizer modrack/torch/adag", tmp_path, **home) == ["modrack/torch/adagrad"]
    assert offered("modrack train --optimizer torch/adagrad optimizer.", tmp_path, **home) == []


def test_run_numbers(tmp_path: Path) -> None:
    assert offered("modrack resume ", tmp_path) == []
    for _ in range(2):
        modrack.train(model="mlp", dataset="digits", steps=1, limit=60, home=tmp_path / "modrack-runs")
    assert offered("modrack resume ", tmp_path) == ["2", "1"]
    assert offered("modrack runs show 1", tmp_path) == ["1"]
    assert offered("modrack runs show x", tmp_path) == []
    assert offered("modrack runs diff 1 ", tmp_path) == ["2", "1"]
    assert offered("modrack runs show @l", tmp_path) == ["@last"]
    (tmp_path / "elsewhere").mkdir()
    assert offered("modrack resume --home ../modrack-runs ", tmp_path / "elsewhere") == ["2", "1"]
    assert offered("modrack resume ", tmp_path / "elsewhere", MODRACK_HOME=str(tmp_path / "modrack-runs")) == ["2", "1"]
    # What is no database of ours is no reason to say anything.
    (tmp_path / "elsewhere/modrack-runs").mkdir()
    (tmp_path / "elsewhere/modrack-runs/runs.db").write_text("hello")
    assert offered("modrack resume ", tmp_path / "elsewhere") == []


@pytest.mark.parametrize(
    "line",
    [
        "modrack ",
        "modrack train --model cn",
        "modrack train model.wi",
        "modrack train --model bert model.pretrained=false --dataset names model.la",
        "modrack train --optimizer torch/asgd model.wi",
        "modrack train experiment.toml precision=",
        "modrack resume ",
        "modrack show model ",
    ],
)
def test_nothing_heavy_is_loaded(line: str, tmp_path: Path) -> None:
    (tmp_path / "experiment.toml").write_text("epochs = 3\n[model]\nuse = 'bert'\npretrained = false\n")
    script = f"""
import sys
from modrack.cli.door import run
run([])
print(*sorted({HEAVY!r} & set(sys.modules)), file=sys.stderr)
"""
    asked = environment(_MODRACK_COMPLETE="fish_complete", COMP_LINE=line)
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=asked, capture_output=True, text=True)
    assert done.stderr.strip() == ""
    assert done.stdout or line == "modrack resume "


def test_a_loud_or_broken_plugin_does_not_disturb(tmp_path: Path) -> None:
    (tmp_path / "loud.py").write_text("print('LOUD')\n" + PLUGIN + "\nraise ValueError\n")
    done = subprocess.run(
        ["modrack"], cwd=tmp_path, capture_output=True, text=True,
        env=environment(_MODRACK_COMPLETE="bash_complete", COMP_LINE="modrack train --plugin loud.py --model cn"),
    )  # fmt: skip
    assert done.stdout == "cnn \n"


def script(shell: str, folder: Path) -> Path:
    done = subprocess.run(["modrack", "completion", shell], env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    path = folder / f"complete.{shell}"
    path.write_text(done.stdout)
    return path


def test_the_shell_is_guessed_or_named(tmp_path: Path) -> None:
    done = subprocess.run(["modrack", "completion"], env=environment(SHELL="/bin/zsh"), capture_output=True, text=True)
    assert done.stdout == script("zsh", tmp_path).read_text()
    done = subprocess.run(["modrack", "completion", "fisch"], env=environment(), capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (
        2,
        "There is no completion for the shell 'fisch'.\n  Did you mean fish?\n",
    )


class Terminal:
    """An interactive shell on a terminal of its own."""

    def __init__(self, command: list[str], cwd: Path) -> None:
        self.child, self.terminal = pty.fork()
        if self.child == 0:
            os.chdir(cwd)
            os.execvpe(command[0], command, environment(PS1="> ", PROMPT="> "))

    def type(self, keys: str, wanted: str) -> str:
        """What is shown after `keys`, as soon as it has `wanted` in it, or else after a while."""
        os.write(self.terminal, keys.encode())
        shown, end = "", time.monotonic() + 30
        while wanted not in shown and time.monotonic() < end:
            if select.select([self.terminal], [], [], 0.2)[0]:
                shown += os.read(self.terminal, 65536).decode(errors="replace").replace("\a", "")
                shown = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown)
        return shown

    def close(self) -> None:
        os.close(self.terminal)
        os.kill(self.child, 9)
        os.waitpid(self.child, 0)


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_a_real_terminal(shell: str, tmp_path: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    (tmp_path / "data").mkdir()
    file = script(shell, tmp_path)
    plain = {"bash": ["bash", "--norc", "--noprofile", "-i"], "zsh": ["zsh", "-f", "-i"]}[shell]
    setup = f"source {file}" if shell == "bash" else f"autoload -U compinit; compinit -u -D; source {file}"
    terminal = Terminal(plain, tmp_path)
    try:
        assert "ready" in terminal.type(f"{setup}; echo rea''dy\n", "ready")
        for keys, wanted in [
            ("modrack train --model cn\t", "--model cnn "),
            ("modrack train model.wi\t", "model.width="),
            ("modrack train model.wi\t7 prec\t", "model.width=7 precision="),
            ("modrack train --model=cn\t", "--model=cnn "),
            ("modrack train precision=b\t", "precision=bf16 "),
            ("modrack train --dataset files dataset.path=da\t", "dataset.path=data/"),
            ("modrack train precision=\t\t", "bf16"),
        ]:
            shown = terminal.type(f"\x15{keys}", wanted)
            assert wanted in shown
    finally:
        terminal.close()


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("modrack train --model cn", ["cnn\tConvolutions with pooling, a wide layer, then the classes."]),
        ("modrack train model.wi", ["model.width="]),
        ("modrack train precision=b", ["precision=bf16"]),
        ("modrack pl", ["plugins\tList the plugins, broken ones with the reason."]),
    ],
)
def test_fish(line: str, wanted: list[str], tmp_path: Path) -> None:
    file = script("fish", tmp_path)
    done = subprocess.run(
        ["fish", "--no-config", "-c", f"source {file}; complete --do-complete '{line}'"],
        cwd=tmp_path, env=environment(HOME=str(tmp_path)), capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    found = done.stdout.splitlines()
    assert [row if "\t" in want else row.partition("\t")[0] for row, want in zip(found, wanted, strict=True)] == wanted
