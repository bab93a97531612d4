"""What plugins bring to the command line, and that none of them can stop it."""

from __future__ import annotations

import json
import re

import pytest

COMMAND = '''
import click
import modrack

@modrack.hook
def modrack_commands():
    @click.command("hello")
    @click.option("--name", default="you")
    def hello(name):
        """Say hello."""
        click.echo(f"hello {name}")
    return [hello]
'''

KIND = '''
import modrack

sampler = modrack.component("sampler")

@modrack.hook
def modrack_kinds():
    return [modrack.Kind("sampler", "which rows come next", given=("data",))]

@sampler
def backwards(data, *, step: int = 1):
    """From the end."""
'''


def test_a_plugin_brings_a_command(modrack, site):
    env = site("rack-hello", {"rack_hello": COMMAND}, {"commands": "rack_hello"})
    assert re.search(r"^  hello +Say hello\.$", modrack("--help", env=env).stdout, re.M)
    assert modrack("hello", "--name", "me", env=env).stdout == "hello me\n"
    assert modrack("--without", "rack-hello", "hello", env=env).returncode == 2
    assert "Did you mean hello?" in modrack("helo", env=env).stderr


def test_a_file_brings_a_command(modrack, tmp_path):
    (tmp_path / "mine.py").write_text(COMMAND)
    assert modrack("--plugin", "mine.py", "hello").stdout == "hello you\n"


def test_a_command_cannot_take_the_place_of_a_verb(modrack, site):
    env = site("rack-list", {"rack_list": COMMAND.replace('"hello"', '"list"')}, {"commands": "rack_list"})
    assert "hello" not in modrack("list", env=env).stdout


def test_a_plugin_brings_a_kind_with_a_flag_and_options(modrack, site, parts):
    env = site("rack-kind", {"rack_kind": KIND}, {"kind": "rack_kind"})
    assert "--sampler NAME" in modrack("train", "--help", env=env).stdout
    assert "sampler  which rows come next\n  backwards" in modrack("list", env=env).stdout
    args = ("train", "--plugin", parts, "--without", "modrack", "--sampler", "backwards", "sampler.step=3")
    record = json.loads(modrack(*args, "--print-config", "--json", env=env).stdout)
    assert record["sampler"] == {"use": "rack-kind/backwards", "step": 3}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("raise ValueError('no luck')", "ValueError: no luck ("),
        ("import sys; sys.exit(3)", "it called sys.exit(3) while it was imported"),
        ("def f(:\n", "syntax error in "),
        ("import not_there", "ModuleNotFoundError: No module named 'not_there' ("),
        ("import modrack\n@modrack.hook\ndef modrack_nothing(): pass\n", "there is no hook 'modrack_nothing'"),
        ("import modrack\n@modrack.hook\ndef modrack_commands(): raise KeyError('x')\n", ""),
        ("import modrack\n@modrack.component('sampler')\ndef x(*, a: int = 1): 'X'\n", "is of the kind 'sampler'"),
    ],
)
def test_a_broken_plugin_stops_nothing(modrack, site, text, reason):
    env = site("rack-bad", {"rack_bad": text}, {"bad": "rack_bad"})
    for args in (["--help"], ["list"], ["plugins"]):
        assert modrack(*args, env=env).returncode == 0
    found = {each["name"]: each for each in json.loads(modrack("plugins", "--json", env=env).stdout)}
    if reason:
        assert reason in found["rack-bad"]["error"]
        assert reason in modrack("plugins", env=env).stdout
        missing = modrack("show", "model", "audionet", env=env)
        assert missing.returncode == 2
        assert reason in missing.stderr


def test_what_a_plugin_prints_stays_out_of_the_data(modrack, site):
    env = site("rack-loud", {"rack_loud": "print('LOUD')"}, {"loud": "rack_loud"})
    done = modrack("list", "--json", env=env)
    json.loads(done.stdout)
    assert "LOUD" in done.stderr


def test_without_is_read_before_anything_is_imported(modrack, site):
    env = site("rack-slow", {"rack_slow": "print('LOADED')"}, {"slow": "rack_slow"})
    assert "LOADED" in modrack("list", env=env).stderr
    assert "LOADED" not in modrack("list", "--without", "rack-slow", env=env).stderr
    assert "LOADED" not in modrack("list", env={**env, "MODRACK_PLUGINS": ""}).stderr
    assert "LOADED" in modrack("list", env={**env, "MODRACK_PLUGINS": "rack-slow"}).stderr
    wrong = modrack("list", "--without", "rack-slo", env=env)
    assert wrong.returncode == 2
    assert "Did you mean rack-slow?" in wrong.stderr


@pytest.mark.parametrize("verb", [["list"], ["train"], ["plugins"]])
def test_a_plugin_file_that_is_not_there(modrack, verb):
    done = modrack(*verb, "--plugin", "none.py")
    assert done.returncode == 2
    assert "--plugin none.py: there is no such file." in done.stderr


def test_one_name_in_two_plugins(modrack, site):
    net = "import modrack\n@modrack.model\ndef net(data):\n    'One.'\n"
    env = site("rack-one", {"rack_one": net}, {"m": "rack_one"})
    site("rack-two", {"rack_two": net}, {"m": "rack_two"})
    done = modrack("show", "model", "net", env=env)
    assert done.returncode == 2
    assert "Type --model rack-one/net  or  --model rack-two/net." in done.stderr
    assert modrack("show", "model", "rack-two/net", env=env).returncode == 0
    assert "rack-one/net" in modrack("list", "model", "net", env=env).stdout
