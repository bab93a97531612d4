"""`modrack train` asked for what cannot be: at most eight lines, exit code 2, nothing written, nothing heavy loaded."""

from __future__ import annotations

import json

import pytest


@pytest.fixture
def train(modrack, parts, tmp_path):
    """Run `modrack train` with the sample plugin alone; check that nothing was left behind."""

    def train(*args, **more):
        before = sorted(tmp_path.rglob("*"))
        done = modrack("train", "--plugin", parts, "--without", "modrack", *args, **more)
        assert sorted(tmp_path.rglob("*")) == before
        return done

    return train


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["--model", "nett"], "There is no model 'nett'.\n  Did you mean net?"),
        (["--metric", "hist"], "There is no metric 'hist'.\n  Did you mean hits?"),
        (["--modle", "net"], "There is no option --modle.\n  Did you mean --model"),
        (["--modle=net"], "There is no option --modle.\n  Did you mean --model"),
        (["--model", "net", "--model", "words"], "--model is given 2 times"),
        (["--model"], "--model"),
        (["-x"], "There is no option -x."),
        (["model.width=abc"], "model.width=abc: 'abc' is not an int > 0."),
        (["epohcs=3"], "Did you mean epochs?"),
        (["net"], "There is no file 'net'.\n  net is a model: --model net"),
        (["nothing.toml"], "There is no file 'nothing.toml'."),
        (["epochs=3", "loud"], "There is no file 'loud'."),
        (["--dataset", "folder"], "Write dataset.path=…"),
        (["."], ". cannot be read: Is a directory."),
    ],
)
def test_one_mistake(train, args, told):
    done = train(*args)
    assert done.returncode == 2
    assert done.stdout == ""
    assert told in done.stderr
    assert len(done.stderr.splitlines()) <= 3


def test_flags_and_words_and_file_are_told_together(train, tmp_path):
    (tmp_path / "wrong.toml").write_text('[model]\nuse = "net"\nwidht = 3\n')
    done = train("wrong.toml", "--optimzer", "plain", "--metric", "hist", "epochs=0", "foo=1")
    assert done.returncode == 2
    lines = done.stderr.splitlines()
    assert len(lines) <= 8
    for part in ("--optimzer", "wrong.toml:3: model.widht", "'hist'", "epochs=0", "'foo'"):
        assert part in done.stderr


def test_ever_so_many_mistakes_are_eight_lines(train):
    done = train(*(f"wrong{index}=1" for index in range(30)))
    lines = done.stderr.splitlines()
    assert len(lines) == 8
    assert any("more." in line for line in lines)


def test_a_toml_error_has_its_line(train, tmp_path):
    (tmp_path / "bad.toml").write_text("epochs = 3\nmodel = cnn\n")
    done = train("bad.toml")
    assert done.returncode == 2
    assert "bad.toml:2: not TOML" in done.stderr


def test_a_mistake_is_found_before_torch_is_loaded(parts, tmp_path):
    import subprocess
    import sys

    script = (
        "import sys; from modrack.cli.door import run\n"
        f"code = run(['train', '--plugin', {parts!r}, 'model.width=x'])\n"
        "assert code == 2; assert not {'torch', 'datasets', 'transformers', 'sqlalchemy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=tmp_path, timeout=60)


def test_print_config_says_where_each_value_comes_from(train, tmp_path):
    (tmp_path / "mine.toml").write_text('epochs = 4\n[model]\nuse = "net"\nwidth = 3\n')
    done = train("mine.toml", "model.act=gelu", "--print-config", env={"MODRACK_SET": "log_every=9"})
    assert done.returncode == 0
    lines = {line.partition(" ")[0]: line for line in done.stdout.splitlines()}
    assert lines["epochs"].split() == ["epochs", "=", "4", "#", "mine.toml:1"]
    assert lines["width"].split() == ["width", "=", "3", "#", "mine.toml:4"]
    assert lines["act"].endswith("# command line")
    assert lines["log_every"].endswith("# environment MODRACK_SET")
    assert lines["batch_size"].endswith("# default (modrack)")


def test_print_config_is_taken_back(train, modrack, parts, tmp_path):
    text = train("steps=5", "--metric", "misses", "--print-config").stdout
    (tmp_path / "again.toml").write_text(text)
    first = json.loads(train("steps=5", "--metric", "misses", "--print-config", "--json").stdout)
    assert json.loads(train("again.toml", "--print-config", "--json").stdout) == first


def test_a_plugins_folder_beside_the_file_is_loaded(modrack, parts, tmp_path):
    from pathlib import Path

    (tmp_path / "lab" / "plugins").mkdir(parents=True)
    (tmp_path / "lab" / "plugins" / "parts.py").write_text(Path(parts).read_text())
    (tmp_path / "lab" / "first.toml").write_text('model = "words"\n')
    done = modrack("train", "lab/first.toml", "--without", "modrack", "--print-config", "--json")
    assert json.loads(done.stdout)["model"]["use"] == "parts/words"


def test_what_is_left_out_is_said(train, tmp_path):
    (tmp_path / "mine.toml").write_text('[optimizer]\nuse = "plain"\nlr = 0.5\n')
    done = train("mine.toml", "--optimizer", "other", "--print-config")
    assert done.returncode == 0
    assert "optimizer.lr was for plain, and is left out" in done.stderr
