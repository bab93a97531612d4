"""Real small distributions in a fresh environment: the good, the slow, the loud and the broken."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

NET = '''
import modrack


@modrack.model(takes="image", gives="logits")
def {name}(data, *, width: int = 8):
    """{says}"""
    import math

    from torch import nn

    return nn.Sequential(nn.Flatten(), nn.Linear(math.prod(data.shape), len(data.classes)))
'''
TRACE = "import os, pathlib\npathlib.Path(os.environ['TRACE']).open('a').write(__name__ + '\\n')\n"
HOOKS = """
import modrack


@modrack.hook
def modrack_commands():
    raise LookupError("no commands today")


@modrack.hook
def modrack_defaults():
    return {"optimizer": {"use": "adamw"}}


@modrack.hook
def modrack_run_started(run):
    raise LookupError("not at the start")
"""
DISTRIBUTIONS: dict[str, dict[str, Any]] = {
    "rack-one": {"text": TRACE + NET.format(name="net", says="The first."), "version": "1.2", "entry": "same"},
    "rack-two": {"text": TRACE + NET.format(name="net", says="The second."), "version": "2.0", "entry": "same"},
    "rack-raises": {"text": "x = 1\nraise RuntimeError('no luck')\n"},
    "rack-exits": {"text": "import sys\nsys.exit('bye')\n"},
    "rack-prints": {"text": "print('LOUD')\n" + NET.format(name="loud", says="It prints.")},
    "rack-slow": {"text": "import time\ntime.sleep(3)\n" + NET.format(name="slow", says="It sleeps.")},
    "rack-torch": {"text": "import torch\n" + NET.format(name="heavy", says="It imports torch.")},
    "rack-new": {"text": TRACE + NET.format(name="new", says="Of tomorrow."), "requires": ("modrack>=99",)},
    "rack-hook": {"text": "import modrack\n\n\n@modrack.hook\ndef modrack_run_startd(run):\n    pass\n"},
    "rack-fails": {"text": HOOKS},
}


@pytest.fixture(scope="module")
def rack(environment: Any, distribution: Callable[..., Path]) -> Callable[..., Any]:
    """Run modrack with all of DISTRIBUTIONS installed, of which only `plugins` are let in."""
    environment.install(*(distribution(name, **facts) for name, facts in DISTRIBUTIONS.items()))

    def run(*words: str, plugins: str, **env: str) -> Any:
        trace = str(environment.folder / "trace")
        return environment.modrack(*words, **{"MODRACK_PLUGINS": plugins, "TRACE": trace, **env})

    return run


def listed(rack: Callable[..., Any], plugins: str, **env: str) -> dict[str, Any]:
    done = rack("plugins", "--json", plugins=plugins, **env)
    assert done.returncode == 0, done.stderr
    return {each["name"]: each for each in json.loads(done.stdout)}


def test_two_with_one_entry_point_name_are_both_there(rack: Callable[..., Any]) -> None:
    found = listed(rack, "rack-one,rack-two")
    assert list(found) == ["modrack", "rack-one", "rack-two"]
    facts = [(each["version"], each["origin"], each["components"], each["error"]) for each in found.values()][1:]
    assert facts == [("1.2", "package", 1, None), ("2.0", "package", 1, None)]
    assert all(0 < each["seconds"] < 2 for each in found.values())


def test_two_components_of_one_name_are_told_apart(rack: Callable[..., Any]) -> None:
    both = "rack-one,rack-two"
    done = rack("show", "model", "net", plugins=both)
    assert (done.returncode, done.stderr) == (
        2,
        "model 'net' is in 2 plugins.\n  Type --model rack-one/net  or  --model rack-two/net.\n",
    )
    assert "The second." in rack("show", "model", "rack-two/net", plugins=both).stdout
    assert "The first." in rack("show", "model", "net", plugins="rack-one").stdout
    only = rack("list", "model", "--plugin", "rack-two", plugins=both).stdout
    assert ("The second." in only, "The first." in only) == (True, False)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("rack-raises", "RuntimeError: no luck ({site}/rack_raises.py:2)"),
        ("rack-exits", "it called sys.exit('bye') while it was imported ({site}/rack_exits.py:2)"),
        ("rack-new", "it wants modrack>=99, and this is modrack {version}: install that, or a version of rack-new "
         "that takes this one"),
        ("rack-hook", "there is no hook 'modrack_run_startd' ({site}/rack_hook.py:4). Did you mean "
         "modrack_run_started or modrack_run_ended?"),
        ("rack-fails", "in modrack_commands: LookupError: no commands today ({site}/rack_fails.py:7)"),
    ],
)  # fmt: skip
def test_a_broken_one_is_shown_with_its_reason_and_stops_nothing(
    name: str, reason: str, rack: Callable[..., Any], environment: Any
) -> None:
    import modrack

    said = reason.format(site=environment.site, version=modrack.__version__)
    done = rack("plugins", plugins=name)
    assert done.returncode == 0
    assert f"{name} is broken: {said}\n" in done.stdout
    assert listed(rack, name)[name]["errors"] == [said]
    for words in (["--help"], ["runs", "list"], ["list"], ["show", "model", "cnn"]):
        assert rack(*words, plugins=name).returncode == 0, words
    missing = rack("show", "model", "their-net", plugins=name)
    assert missing.returncode == 2
    if name != "rack-fails":  # Its hooks are not called to look for a model.
        assert f"Plugin {name} could not be loaded: {said}" in missing.stderr


def test_one_that_wants_a_newer_modrack_is_not_imported(rack: Callable[..., Any], tmp_path: Path) -> None:
    rack("list", plugins="rack-new,rack-one", TRACE=str(tmp_path / "trace"))
    assert (tmp_path / "trace").read_text() == "rack_one\n"


def test_what_one_prints_stays_out_of_the_data(rack: Callable[..., Any]) -> None:
    done = rack("list", "--json", plugins="rack-prints")
    assert {each["full"] for each in json.loads(done.stdout)} >= {"rack-prints/loud"}
    assert done.stderr == "LOUD\n"


@pytest.mark.parametrize(("name", "brings"), [("rack-slow", ""), ("rack-torch", " (it imports numpy, torch)")])
def test_a_slow_one_is_shown(name: str, brings: str, rack: Callable[..., Any]) -> None:
    found = listed(rack, name)[name]
    assert found["error"] is None
    assert found["heavy"] == (["numpy", "torch"] if brings else [])
    assert found["seconds"] > (3 if name == "rack-slow" else 0.1)
    shown = rack("plugins", plugins=name).stdout
    assert f"{name} is slow: each command waits " in shown
    assert f" s for its import{brings}; its author can move imports into the functions that need them\n" in shown


def test_the_table_says_what_is_left_out_and_what_is_misspelt(rack: Callable[..., Any]) -> None:
    done = rack("plugins", plugins="rack-one,rack-tow")
    shown = done.stdout.splitlines()
    assert shown[0].split() == ["plugin", "version", "from", "parts", "import"]
    assert shown[2].split()[:4] == ["rack-one", "1.2", "package", "1"]
    others = ", ".join(sorted(set(DISTRIBUTIONS) - {"rack-one"}))
    assert len(shown) == 3
    assert done.stderr.splitlines() == [
        f"left out: {others}",
        "MODRACK_PLUGINS names rack-tow, which is not installed. Did you mean rack-two or rack-slow?",
    ]


def test_freeze_gives_requirement_lines(rack: Callable[..., Any], tmp_path: Path) -> None:
    file = tmp_path / "own.py"
    file.write_text(NET.format(name="own", says="Mine."))
    done = rack("plugins", "--freeze", "--plugin", str(file), plugins="rack-one,rack-raises")
    import modrack

    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert done.stdout.splitlines() == [
        f"modrack=={modrack.__version__}",
        "rack-one==1.2",
        "rack-raises==1.0",
        f"# file {file} sha256:{digest}",
    ]


def test_names_choose_before_anything_is_imported(rack: Callable[..., Any], tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    rack("list", "--without", "rack-one", plugins="rack-one,rack-two", TRACE=str(trace))
    assert trace.read_text() == "rack_two\n"
    rack("list", plugins="", TRACE=str(trace))
    rack("--without", "rack-two", "list", "--without", "rack-one", plugins="rack-one,rack-two", TRACE=str(trace))
    assert trace.read_text() == "rack_two\n"
    wrong = rack("list", "--without", "rack-on", plugins="rack-one", TRACE=str(trace))
    assert (wrong.returncode, wrong.stderr) == (
        2,
        "--without rack-on: no plugin has this name.\n  Did you mean rack-one or rack-two?\n",
    )
    assert trace.read_text() == "rack_two\n"


def test_a_hook_that_fails_in_a_run_undoes_nothing(rack: Callable[..., Any], tmp_path: Path) -> None:
    words = ["train", "--model", "rack-one/net", "--dataset", "digits", "steps=1", "limit=60", "--json"]
    done = rack(*words, "--home", str(tmp_path), plugins="rack-fails,rack-one")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["status"] == "finished"
    assert "Plugin rack-fails: in modrack_run_started: LookupError: not at the start (" in done.stderr
