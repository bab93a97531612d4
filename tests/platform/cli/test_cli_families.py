"""Families on the command line: a line in a list, members by glob, and what one of them is."""

from __future__ import annotations

import json
import re

import pytest

KEEPER = """
import modrack

def names():
    import zoo
    return {name: f"The {name}." for name in zoo.ANIMALS}

def make(name):
    @modrack.model(takes="image", gives="logits")
    def model(data, *, legs: int = 4):
        "An animal."
        import zoo
    return model

@modrack.hook
def modrack_families():
    return [modrack.Family("model", "zoo", names, make, library="zoo", install="modrack-keeper[zoo]")]
"""


@pytest.fixture
def zoo(modrack, site, tmp_path):
    """Run modrack with the plugin modrack-keeper and the library zoo 2.1, which says so when it is imported."""
    path = site("modrack-keeper", {"keeper": KEEPER}, {"keeper": "keeper"}, version="0.4")
    site("zoo", {"zoo": "print('zoo wakes')\nANIMALS = [f'animal{n}' for n in range(1200)]"}, {}, version="2.1")

    def run(*words, **more):
        return modrack(*words, env=path | {"MODRACK_CACHE": str(tmp_path / "cache")} | more)

    return run


def test_a_family_is_one_line_until_it_is_asked_for(zoo):
    first = zoo("list", "model", "--plugin", "modrack-keeper")
    assert first.stdout.splitlines()[-1].split() == [
        "zoo/*", "models", "of", "zoo", "2.1:", "modrack", "list", "model", "'zoo/*'",
    ]  # fmt: skip
    assert "wakes" not in first.stderr + first.stdout
    asked = zoo("list", "model", "zoo/*12")
    assert "wakes" in asked.stderr
    wanted = sorted(f"zoo/animal{number}" for number in range(1200) if number % 100 == 12)
    assert [line.split()[0] for line in asked.stdout.splitlines()[1:]] == wanted
    again = zoo("list", "model", "zoo/*12")
    assert (again.stdout, again.stderr) == (asked.stdout, "")
    assert re.search(r"zoo/\*\s+modrack-keeper\s+1,200 models of zoo 2\.1:", zoo("list").stdout)


def test_members_as_json(zoo):
    found = json.loads(zoo("list", "model", "zoo/animal7", "--json").stdout)
    assert found == [
        {
            "kind": "model",
            "name": "zoo/animal7",
            "full": "modrack-keeper/zoo/animal7",
            "plugin": "modrack-keeper",
            "version": "0.4+zoo.2.1",
            "summary": "The animal7.",
        }
    ]
    assert all("*" not in each["name"] for each in json.loads(zoo("list", "--json").stdout))


def test_show_makes_one(zoo):
    page = zoo("show", "model", "zoo/animal7")
    assert page.returncode == 0, page.stderr
    assert "model.legs" in page.stdout
    assert "modrack-keeper 0.4+zoo.2.1" in page.stdout
    wrong = zoo("show", "model", "zoo/animal77777")
    assert (wrong.returncode, len(wrong.stderr.strip().splitlines())) == (2, 2)
    assert "Did you mean zoo/animal" in wrong.stderr
    assert "Did you mean zoo/animal7?" in zoo("train", "--model", "animal7").stderr


def test_a_library_that_is_missing(modrack, site, tmp_path):
    path = site("modrack-keeper", {"keeper": KEEPER}, {"keeper": "keeper"})
    listed = modrack("list", "model", env=path)
    assert listed.returncode == 0
    assert "not installed: pip install 'modrack-keeper[zoo]'" in listed.stdout
    for words in (("list", "model", "zoo/*"), ("train", "--model", "zoo/animal7"), ("show", "model", "zoo/animal7")):
        refused = modrack(*words, env=path)
        assert refused.returncode == 2
        assert "zoo is not installed" in refused.stderr
        assert "pip install 'modrack-keeper[zoo]'" in refused.stderr
        assert "Traceback" not in refused.stderr


def test_a_listing_from_the_index_imports_nothing_heavy(modrack, tmp_path):
    cache = {"MODRACK_CACHE": str(tmp_path / "cache")}
    assert "torch/adadelta" in modrack("list", "optimizer", "torch/*", env=cache).stdout
    spy = "import sys, atexit; atexit.register(lambda: print(*sorted(sys.modules), file=open('seen', 'w')))"
    (tmp_path / "sitecustomize.py").write_text(spy)
    again = modrack("list", "optimizer", "torch/ada*", env=cache | {"PYTHONPATH": str(tmp_path)})
    assert "torch/adadelta" in again.stdout
    seen = set((tmp_path / "seen").read_text().split())
    assert not seen & {"torch", "numpy", "pydantic", "sqlalchemy", "rich", "transformers", "datasets", "sklearn"}
