"""list, show, plugins, --help, --version: what they say, in words and as JSON."""

from __future__ import annotations

import json

import pytest

from modrack.cli.predict import _line
from modrack.runner.prediction import Answer


def test_help_names_every_verb_and_imports_none(modrack):
    from modrack.cli.verbs import VERBS

    done = modrack("--help")
    assert done.returncode == 0
    assert all(f"  {verb} " in done.stdout for verb in VERBS)
    assert done.stderr == ""


@pytest.mark.parametrize("verb", ["list", "show", "plugins", "train", "runs", "runs list", "runs show"])
def test_every_verb_has_help(modrack, verb):
    done = modrack(*verb.split(), "--help")
    assert done.returncode == 0
    assert f"Usage: modrack {verb}" in done.stdout


def test_version(modrack):
    import modrack as package

    assert modrack("--version").stdout == f"modrack {package.__version__}\n"


def test_list(modrack, parts):
    done = modrack("--plugin", parts, "--without", "modrack", "list")
    assert done.returncode == 0
    assert "model  what learns\n  net    A network.\n  words  Reads text.\n" in done.stdout
    assert "  plain  Goes downhill.\n" in done.stdout
    only = modrack("list", "--plugin", parts, "--without", "modrack", "model", "w*")
    assert only.stdout == "model  what learns\n  words  Reads text.\n"
    full = modrack("list", "--plugin", parts, "parts/n*")
    assert full.stdout == "model  what learns\n  net  A network.\n"


def test_list_says_the_plugin_where_there_are_several(modrack, parts):
    assert "modrack" not in modrack("--without", "modrack", "list", "--plugin", parts).stdout
    assert modrack("--plugin", parts, "list").stdout.count("  parts  ") == 9


def test_list_json(modrack, parts):
    records = json.loads(modrack("list", "model", "--plugin", parts, "--json").stdout)
    net, words = records
    assert set(net) >= {"kind", "name", "plugin", "version", "summary", "options"}
    assert (net["kind"], net["name"], net["full"], net["plugin"]) == ("model", "net", "parts/net", "parts")
    assert (net["summary"], net["takes"], net["gives"]) == ("A network.", ["image"], ["logits"])
    assert net["options"][0] == {
        "name": "width",
        "type": "int > 0",
        "default": 64,
        "required": False,
        "choices": [],
        "help": "channels of the first layer",
    }
    assert words["version"] == "7"


def test_list_what_is_not_there(modrack, parts):
    done = modrack("list", "modle")
    assert (done.returncode, done.stdout) == (2, "")
    assert "There is no kind 'modle'.\n  Did you mean model?" in done.stderr
    done = modrack("list", "--plugin", "prats", "--plugin", parts)
    assert done.returncode == 2
    assert "--plugin prats: no plugin has this name.\n  Did you mean parts?" in done.stderr
    done = modrack("list", "model", "zz*", "--plugin", parts)
    assert (done.returncode, done.stdout) == (0, "")
    assert modrack("list", "zz*", "--json").stdout == "[]\n"


def test_show(modrack, parts):
    done = modrack("show", "model", "net", "--plugin", parts)
    assert done.returncode == 0
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines[0] == ["model", "net", "A", "network."]
    assert ["takes", "image"] in lines
    assert ["plugin", "parts"] in lines
    assert "With a second paragraph." in done.stdout
    assert f"{parts}:" in done.stdout
    assert ["model.width", "int", ">", "0", "=", "64", "channels", "of", "the", "first", "layer"] in lines
    assert ["model.sizes", "tuple[int,", "…]", "=", "1,2"] in lines
    assert ["model.note", "str", "or", "none", "=", "a"] in lines
    assert "metric.hits.average" in modrack("show", "metric", "hits", "--plugin", parts).stdout
    required = modrack("show", "dataset", "folder", "--plugin", parts).stdout
    assert "dataset.path  str  required  where the files are" in required


def test_show_json(modrack, parts):
    record = json.loads(modrack("show", "model", "net", "--plugin", parts, "--json").stdout)
    assert record["doc"] == "A network.\n\nWith a second paragraph."
    assert record["file"].startswith(f"{parts}:")
    assert [option["name"] for option in record["options"]] == ["width", "act", "sizes", "pretrained", "note"]


def test_show_what_is_not_there(modrack, parts):
    done = modrack("show", "model", "nett", "--plugin", parts)
    assert done.returncode == 2
    assert "There is no model 'nett'.\n  Did you mean net" in done.stderr
    assert "Missing argument 'NAME'" in modrack("show", "model").stderr
    assert modrack("show", "model").returncode == 2


def test_show_of_a_broken_signature_says_what_to_mend(modrack, tmp_path):
    (tmp_path / "mine.py").write_text(
        "import modrack\n\n@modrack.model\ndef net(data, *, width=3, **rest):\n    'A net.'\n"
    )
    done = modrack("show", "model", "net", "--plugin", "mine.py")
    assert "mine.py:3): option 'width' has no type." in done.stdout
    assert "Write `width: int = …`." in done.stdout
    assert "**rest hides" in done.stdout


def test_plugins(modrack, parts):
    done = modrack("plugins", "--plugin", parts, "--without", "modrack")
    head, line = done.stdout.splitlines()
    assert head.split() == ["plugin", "version", "from", "parts", "import"]
    assert line.split()[:4] == ["parts", "-", parts, "9"]
    (record,) = json.loads(modrack("plugins", "--plugin", parts, "--without", "modrack", "--json").stdout)
    assert record["components"] == 9
    assert record["origin"] == "file"
    assert record["error"] is None
    assert 0 < record["seconds"] < 30


def test_plugins_freeze(modrack, site, parts):
    env = site("rack-audio", {"rack_audio": ""}, {"x": "rack_audio"})
    lines = modrack("plugins", "--freeze", "--plugin", parts, env=env).stdout.splitlines()
    assert "rack-audio==1.0" in lines
    assert any(line.startswith("modrack==") for line in lines)
    assert any(line.startswith(f"# file {parts} sha256:") for line in lines)


def test_an_unknown_verb(modrack):
    done = modrack("trian")
    assert done.returncode == 2
    assert "There is no command 'trian'.\n  Did you mean train?" in done.stderr


def test_an_unknown_flag(modrack):
    done = modrack("list", "--jsno")
    assert done.returncode == 2
    assert "--jsno" in done.stderr
    assert len(done.stderr.splitlines()) <= 3


def test_names_are_printed_without_terminal_escapes(modrack, tmp_path):
    (tmp_path / "evil.py").write_text(
        "import modrack\n\n@modrack.model\ndef net(data):\n    '''Nice\\x1b]0;owned\\x07 \\x1b[31mred\\x9b net.'''\n"
    )
    for args in (["list", "model"], ["show", "model", "net"]):
        done = modrack(*args, "--plugin", "evil.py")
        assert "Nice red net." in done.stdout
        assert not set("\x1b\x07\x9b") & set(done.stdout)


def test_a_reader_that_goes_away_is_no_error(tmp_path, parts):
    import subprocess
    import sys

    command = f"{sys.executable} -m modrack list --json --plugin {parts} | head -c 1"
    done = subprocess.run(["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "[", "")


def test_debug_shows_the_traceback(modrack):
    done = modrack("list", "modle", "--debug")
    assert done.returncode == 2
    assert "Traceback" in done.stderr


def test_tasks_are_listed_with_the_data_they_want(modrack):
    lines = {line.split()[0]: line.split(None, 1)[1] for line in modrack("list", "task").stdout.splitlines()[1:]}
    assert lines["regression"].startswith("any → number ")
    assert lines["token-classification"].startswith("text → tokens ")
    assert lines["causal-lm"].startswith("text  ")
    assert lines["gan"].startswith("image  ")
    # Of other kinds there is nothing of that.
    assert "→" not in modrack("list", "metric").stdout
    assert "→" not in modrack("list").stdout


def test_several_numbers_of_an_answer_have_names():
    assert _line(Answer("a", {"low": 1.5, "high": 2.0})) == ["low=1.5000", "high=2.0000", "a"]
    assert _line(Answer("a", {"label": "good", "probability": 0.5})) == ["good", "0.5000", "a"]
