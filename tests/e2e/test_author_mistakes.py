"""What an author can get wrong: each message names plugin, component, file and line, and what to write instead."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import modrack

HEAD = "import modrack\n\n\n"
SMALL = {"model": "mlp", "dataset": "digits", "steps": 1, "limit": 60}

# What stands in own.py; what is asked for; the whole message. The mistake is in line 4.
MISTAKES = {
    "a syntax error": (
        "@modrack.model\ndef net(data, *, width: int = 3:\n    '''A net.'''\n",
        {"model": "own/net"},
        "There is no model 'own/net' (python: model = 'own/net').\n"
        "  There is: {models}\n"
        "  Plugin own could not be loaded: syntax error in {file}:5: invalid syntax",
    ),
    "a required option": (
        "@modrack.model\ndef net(data, *, width: int):\n    '''A net.'''\n",
        {"model": "net"},
        "model net needs model.width: int.\n  Write model.width=…, or give it a default in own/net ({file}:4).",
    ),
    "an option without a type": (
        "@modrack.model\ndef net(data, *, width=3):\n    '''A net.'''\n",
        {"model": "net"},
        "model own/net ({file}:4): option 'width' has no type.\n  Write `width: int = …`.",
    ),
    "an option that cannot be typed": (
        "import pathlib\n@modrack.model\ndef net(data, *, folder: pathlib.PurePath | None = None):\n    '''A net.'''\n",
        {"model": "net"},
        "model own/net ({file}:5): option 'folder' is PurePath|none, which cannot be typed on a command line.\n"
        "  Use bool, int, float, str, Literal, or a list, tuple or dict of them.",
    ),
    "keyword arguments": (
        "@modrack.model\ndef net(data, **options):\n    '''A net.'''\n",
        {"model": "net"},
        "model own/net ({file}:4): **options hides what can be chosen.\n  Name each option after the `*`.",
    ),
    "an option before the star": (
        "@modrack.model\ndef net(data, width: int = 3):\n    '''A net.'''\n",
        {"model": "net"},
        "model own/net ({file}:4): the runner gives a model data, not 'width'.\n"
        "  Put `*` before 'width' to make it an option.",
    ),
    "no module": (
        "@modrack.model\ndef net(data):\n    '''A net.'''\n    return 3\n",
        {"model": "net"},
        "model own/net ({file}:4) returned an int, not a torch.nn.Module.\n"
        "  Write `return` and a module, or a dict of named modules.",
    ),
    "nothing returned": (
        "@modrack.model\ndef net(data):\n    '''A net.'''\n",
        {"model": "net"},
        "model own/net ({file}:4) returned None, not a torch.nn.Module.\n"
        "  Write `return` and a module, or a dict of named modules.",
    ),
    "a lazy layer": (
        "@modrack.model(takes='image', gives='logits')\ndef net(data):\n    '''A net.'''\n    from torch import nn\n"
        "    return nn.Sequential(nn.Flatten(), nn.LazyLinear(10))\n",
        {"model": "net"},
        "model own/net ({file}:4) returned a module whose weight 1.weight has no size yet: its layer is a lazy one.\n"
        "  Write nn.Linear for nn.LazyLinear and so on, with sizes from data.shape and data.classes.",
    ),
    "too few classes": (
        "@modrack.model(takes='image', gives='logits')\ndef net(data):\n    '''A net.'''\n    from torch import nn\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(64, 3))\n",
        {"model": "net"},
        "model own/net ({file}:4) gives 3 logits a row, and the dataset has 10 classes.\n"
        "  Write len(data.classes) as the size of its last layer.",
    ),
    "too many classes": (
        "@modrack.model(takes='image', gives='logits')\ndef net(data):\n    '''A net.'''\n    from torch import nn\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(data.shape[1] * data.shape[2], 12))\n",
        {"model": "net"},
        "model own/net ({file}:4) gives 12 logits a row, and the dataset has 10 classes.\n"
        "  Write len(data.classes) as the size of its last layer.",
    ),
    "a sort that no dataset gives": (
        "@modrack.model(takes='imag', gives='logits')\ndef net(data):\n    '''A net.'''\n",
        {"model": "net"},
        "model own/net ({file}:4) takes imag, which no dataset gives.\n  Did you mean image?",
    ),
    "a dataset without the declared input": (
        "@modrack.dataset(gives='image', target='class')\ndef rows():\n    '''Rows.'''\n    import datasets\n"
        "    names = datasets.Features(text=datasets.Value('string'), label=datasets.ClassLabel(names=['a', 'b']))\n"
        "    rows = {'text': list('abcdefgh') * 4, 'label': [0, 1] * 16}\n"
        "    return datasets.DatasetDict(train=datasets.Dataset.from_dict(rows, features=names))\n",
        {"dataset": "rows"},
        "dataset own/rows ({file}:4): no column holds image.\n"
        '  Its columns: text (string), label (int64). Write gives="text".',
    ),
    "a dataset without the declared target": (
        "@modrack.dataset(gives='text', target='class')\ndef rows():\n    '''Rows.'''\n    import datasets\n"
        "    return datasets.DatasetDict(train=datasets.Dataset.from_dict({'text': list('abcdefgh') * 4}))\n",
        {"dataset": "rows"},
        "dataset own/rows ({file}:4): no column holds a target (class).\n"
        '  Its columns: text (string). Write target="none", or add the column.',
    ),
    "a metric that asks for what nobody emits": (
        "@modrack.metric\nclass Odd:\n    '''Odd.'''\n    def update(self, tokens): ...\n    def compute(self): ...\n",
        {"metric": ["odd"]},
        "metric own/odd ({file}:4) asks for tokens, which task classification does not emit.\n"
        "  It emits logits, target: call update's parameters so, or choose another metric.",
    ),
    "a metric that cannot be read off": (
        "@modrack.metric\nclass Odd:\n    '''Odd.'''\n    def update(self, logits): ...\n",
        {"metric": ["odd"]},
        "metric own/odd ({file}:4): it has no method `compute`.\n  Write `def compute(self, …):` in it.",
    ),
    "odd characters": (
        "@modrack.model(name='My Net!')\ndef net(data):\n    '''A net.'''\n",
        {"model": "My Net!"},
        "model own/My Net! ({file}:4): the name 'My Net!' has odd characters.\n"
        "  Use a-z, 0-9 and '-', as in name='my-net'.",
    ),
    "a model that is a class": (
        "@modrack.model\nclass MyNet:\n    '''A net.'''\n",
        {"model": "my-net"},
        "model own/my-net ({file}:4): a model is a function, this is a class.\n"
        "  Write `def my_net(data, *, …)` that returns a torch.nn.Module, or a dict of named ones.",
    ),
    "a metric that is a function": (
        "@modrack.metric\ndef my_share(logits, target):\n    '''Share.'''\n",
        {"metric": ["my-share"]},
        "metric own/my-share ({file}:4): a metric is a class, this is a function.\n"
        "  Write `class MyShare:` with update and compute.",
    ),
    "a fact that there is not": (
        "@modrack.model(take='image')\ndef net(data):\n    '''A net.'''\n",
        {"model": "net"},
        "model own/net ({file}:4): @modrack.model has no 'take'.\n  Did you mean takes?",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_training_says_it(mistake: str, tmp_path: Path) -> None:
    text, asked, said = MISTAKES[mistake]
    file = tmp_path / "own.py"
    file.write_text(HEAD + text)
    from modrack_registry.registry import load_registry

    names = [name for each in load_registry().components("model") for name in (each.name, each.full)]
    shown = sorted(set(names))
    with pytest.raises(modrack.UserError) as caught:
        modrack.train(plugins=[file], home=tmp_path / "home", **{**SMALL, **asked})
    wanted = said.format(file=file, models=f"{', '.join(shown[:12])}{', …' if len(shown) > 12 else ''}.")
    assert "\n".join(caught.value.lines) == wanted
    assert not (tmp_path / "home").exists()


# `check` says the same in its own way, without data of anybody's, and the whole of it once.
CHECKED = {
    "an option without a type": "failed The signature keeps the contract",
    "keyword arguments": "failed The signature keeps the contract",
    "no module": "failed The factory makes a module",
    "too many classes": "failed A batch goes through",
    "a dataset without the declared input": "failed It has rows to train on",
    "a metric that asks for what nobody emits": "failed The names of update's parameters",
    "odd characters": "failed The signature keeps the contract",
    "a model that is a class": "failed The signature keeps the contract",
    "a metric that is a function": "failed The signature keeps the contract",
}


@pytest.mark.parametrize("mistake", CHECKED)
def test_check_says_it(mistake: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from modrack.cli.door import run

    text, _, said = MISTAKES[mistake]
    file = tmp_path / "own.py"
    file.write_text(
        HEAD + text.replace("def net(data):\n    '''A net.'''\n    return 3", "def net(data):\n    return 3")
    )
    if mistake == "no module":
        file.write_text(file.read_text().replace("@modrack.model\n", "@modrack.model(takes='image', gives='logits')\n"))
    assert run(["check", str(file)]) == 1
    shown = capsys.readouterr().out
    assert CHECKED[mistake] in shown
    assert f"{file}:4" in shown
    if "signature" in CHECKED[mistake]:
        assert shown.count("failed") == 2, "once where it fails, once in the sum"
        assert said.format(file=file).splitlines()[0] in shown


def test_a_syntax_error_stops_check_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(HEAD + "def net(:\n")

    def call(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "modrack", *words]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)

    done = call("check", "own.py")
    reason = f"syntax error in {tmp_path / 'own.py'}:4: invalid syntax"
    assert (done.returncode, done.stderr) == (2, f"Plugin own cannot be loaded: {reason}.\n")
    for words in (["list"], ["plugins"], ["--help"]):
        assert call(*words, *(["--plugin", "own.py"] if words != ["--help"] else [])).returncode == 0
    # Training goes on without it, and says so.
    done = call("train", "--plugin", "own.py", "--print-config")
    assert done.returncode == 0
    assert done.stderr == f"Plugin own is broken: {reason}\n"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("none.py", "--plugin none.py: there is no such file.\n  Give the path of a .py file.\n"),
        ("modrack", "--plugin modrack: there is no such file.\n  It is an installed plugin, and there without "
         "--plugin.\n"),
        ("notes.txt", "--plugin notes.txt: a plugin file is Python and ends in .py.\n  Rename it.\n"),
        ("modrack.py", "--plugin modrack.py: modrack is what the built-in plugin is called.\n  Rename the file.\n"),
        ("folder", "--plugin folder: this is a folder.\n  Give the path of a .py file.\n"),
        ("project", "--plugin project: this is a folder.\n  pip install project, and it is there without --plugin.\n"),
    ],
)  # fmt: skip
def test_what_is_no_plugin_file(name: str, said: str, tmp_path: Path) -> None:
    for file in ("notes.txt", "modrack.py", "folder/x.py", "project/pyproject.toml"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text("")
    # Not `-m modrack`, which would find the file modrack.py that lies here.
    command = [str(Path(sys.executable).with_name("modrack")), "train", "--plugin", name]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (2, said)


def test_what_is_checked_must_be_there(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "modrack", "check", "none.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    said = "none.py: there is no such file.\n  Give a .py file, a folder, or an installed plugin.\n"
    assert (done.returncode, done.stderr) == (2, said)


def test_an_unforeseen_error_says_where_in_the_plugin_it_arose(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(HEAD + "@modrack.model\ndef net(data):\n    '''A net.'''\n    return {}['x']\n")
    command = [sys.executable, "-m", "modrack", "train", "--plugin", "own.py", "--model", "net", "limit=60"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    said = f"KeyError: 'x'\n  In {tmp_path / 'own.py'}:7. --debug shows where.\n"
    assert (done.returncode, done.stderr) == (1, said)
