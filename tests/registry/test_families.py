"""Families: many parts of a library, listed from an index and made when they are used."""

from __future__ import annotations

import json

import pytest

from modrack_registry.errors import UserError
from modrack_registry.registry import load_registry

ZOO = """
import modrack, pathlib

def names():
    import zoo
    with open(zoo.CALLS, "a") as file:
        file.write("names\\n")
    print("the library talks")
    return {name: f"{name}, of the zoo" for name in zoo.MODELS}

def make(name):
    @modrack.model(takes="image", gives="logits")
    def model(data, *, width: int = 4):
        return (name, width)
    if name == "broken":
        raise RuntimeError("it bites")
    return "a cat" if name == "undecorated" else model

@modrack.hook
def modrack_families():
    return [modrack.Family("model", "zoo", names, make, library="zoo", install="zoo[cats]",
                           refused={"dog": "it barks."})]
"""


@pytest.fixture
def zoo(tmp_path, monkeypatch):
    """A library `zoo` that is installed, as a module and a distribution; gives the count of questions for its names."""
    place = tmp_path / "site"
    place.mkdir()
    calls = tmp_path / "calls"
    calls.touch()
    models = ["big-cat", "big_Fish.v2", "small-cat", "broken", "undecorated"]
    (place / "zoo.py").write_text(f"CALLS = {str(calls)!r}\nMODELS = {models!r}\n")
    install(place, "1.0")
    monkeypatch.syspath_prepend(str(place))
    monkeypatch.delitem(__import__("sys").modules, "zoo", raising=False)
    monkeypatch.setenv("MODRACK_CACHE", str(tmp_path / "cache"))
    return lambda: len(calls.read_text().splitlines())


def install(place, version):
    for old in place.glob("zoo-*.dist-info"):
        (old / "METADATA").unlink()
        old.rmdir()
    info = place / f"zoo-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: zoo\nVersion: {version}\n")


@pytest.fixture
def rack(tmp_path):
    """The registry with plugin files that hold ZOO, a new one each time."""

    def rack(*names, text=ZOO):
        paths = []
        for name in names or ("keeper",):
            path = tmp_path / f"{name}.py"
            path.write_text(text)
            paths.append(path)
        return load_registry(paths, without=["modrack"])

    return rack


def test_a_part_is_found_by_its_prefix_and_by_its_full_name(zoo, rack):
    registry = rack()
    found = registry.find("model", "zoo/big-cat")
    assert found is registry.find("model", "keeper/zoo/big-cat")
    assert (found.name, found.full, found.plugin) == ("zoo/big-cat", "keeper/zoo/big-cat", "keeper")
    assert found.version == "1.0"  # A file has no version of its own.
    assert found.make({"data": None}, {"width": 3}) == ("big-cat", 3)
    assert list(found.options) == ["width"]
    assert found.file.rpartition(":")[0].endswith("keeper.py")
    assert found.facts["takes"] == ("image",)
    assert not found.mistakes()
    assert registry.find("model", "zoo/big_Fish.v2").make({"data": None}, {"width": 1}) == ("big_Fish.v2", 1)


def test_families_stay_out_of_lists_that_do_not_ask_for_them(zoo, rack):
    registry = rack()
    assert registry.components("model") == [] == registry.components("model", "*cat*")
    assert registry.components() == [] == registry.listing()
    assert zoo() == 0
    (offer,) = registry.families.of("model")
    assert (offer.label, offer.release, offer.missing, offer.known) == ("zoo/*", "1.0", False, None)
    assert registry.families.of("metric") == []


def test_a_glob_with_the_prefix_lists_members_and_makes_none(zoo, rack):
    registry = rack()
    members = registry.listing("model", "zoo/*cat")
    assert [(each.name, each.summary) for each in members] == [
        ("zoo/big-cat", "big-cat, of the zoo"),
        ("zoo/small-cat", "small-cat, of the zoo"),
    ]
    assert [each.name for each in registry.listing(None, "keeper/zoo/big*")] == ["zoo/big-cat", "zoo/big_Fish.v2"]
    assert registry.listing("model", "zoo/*")[0].name == "zoo/big-cat"  # The broken one is no harm.
    assert [each.make({"data": None}, {"width": 0})[0] for each in registry.components("model", "zoo/s*")] == [
        "small-cat"
    ]
    assert registry.listing("model", "zoo/*dog*") == []


def test_names_are_asked_for_once_a_version(zoo, rack, tmp_path, capsys):
    assert len(rack().listing("model", "zoo/*")) == 5
    assert capsys.readouterr().out == ""  # What a library prints is no part of what was asked for.
    assert len(rack().listing("model", "zoo/*")) == 5
    rack().find("model", "zoo/big-cat")
    assert zoo() == 1
    assert rack().families.of("model")[0].known["big-cat"] == "big-cat, of the zoo"
    install(tmp_path / "site", "1.1")
    assert rack().families.of("model")[0].known is None
    assert len(rack().listing("model", "zoo/*")) == 5
    assert zoo() == 2
    # A plugin that asks otherwise, as while it is written, is asked anew too.
    assert rack(text=ZOO.replace("of the zoo", "of a zoo")).find("model", "zoo/big-cat")
    assert zoo() == 3


def test_a_damaged_index_is_made_again(zoo, rack, tmp_path):
    rack().listing("model", "zoo/*")
    (index,) = (tmp_path / "cache" / "families").iterdir()
    whole = index.read_text()
    for damage in ("", "[]", '{"names": []}', '{"names": {"cat": 3}}', whole[:-5]):
        index.write_text(damage)
        assert len(rack().listing("model", "zoo/*")) == 5
        assert json.loads(index.read_text()) == json.loads(whole)
    assert [each.name for each in index.parent.iterdir()] == [index.name]


def test_a_cache_that_cannot_be_written_is_no_mistake(zoo, rack, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("MODRACK_CACHE", str(tmp_path / "file" / "cache"))
    assert rack().find("model", "zoo/big-cat")
    assert len(rack().listing("model", "zoo/*")) == 5


def test_where_the_index_is_kept(zoo, rack, tmp_path, monkeypatch):
    monkeypatch.delenv("MODRACK_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    rack().listing("model", "zoo/*")
    assert [each.parent.name for each in (tmp_path / "xdg" / "modrack").rglob("*.json")] == ["families"]
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    rack().listing("model", "zoo/*")
    assert len(list((tmp_path / "home" / ".cache" / "modrack").rglob("*.json"))) == 1


def test_a_missing_library_says_what_to_type(rack, tmp_path, monkeypatch):
    monkeypatch.setenv("MODRACK_CACHE", str(tmp_path / "cache"))
    registry = rack()
    assert registry.families.of("model")[0].missing
    for ask in (lambda: registry.find("model", "zoo/big-cat"), lambda: registry.listing("model", "zoo/*")):
        with pytest.raises(UserError, match="zoo is not installed") as caught:
            ask()
        assert caught.value.hint == "pip install 'zoo[cats]'"
    with pytest.raises(UserError, match="There is no model 'big-cat'"):
        registry.find("model", "big-cat")


def test_wrong_names_get_a_suggestion_from_the_index(zoo, rack):
    registry = rack()
    with pytest.raises(UserError) as caught:
        registry.find("model", "zoo/big-cta")
    assert caught.value.hint == "Did you mean zoo/big-cat?"
    for name in ("big-cat", "zo/big-cat"):
        with pytest.raises(UserError) as caught:
            registry.find("model", name)
        assert caught.value.hint == "Did you mean zoo/big-cat?"
    with pytest.raises(UserError, match="There is no model zoo/dog: it barks"):
        registry.find("model", "zoo/dog")


def test_what_cannot_be_made_names_the_plugin(zoo, rack):
    registry = rack()
    with pytest.raises(
        UserError, match=r"model zoo/broken cannot be had from zoo 1\.0: RuntimeError: it bites"
    ) as caught:
        registry.find("model", "zoo/broken")
    assert "plugin keeper" in caught.value.hint
    with pytest.raises(UserError, match="plugin keeper made 'a cat'"):
        registry.find("model", "zoo/undecorated")


def test_a_library_that_cannot_be_imported(zoo, rack, tmp_path):
    (tmp_path / "site" / "zoo.py").write_text("raise ImportError('libcat.so is missing')")
    with pytest.raises(UserError, match=r"model zoo/\* cannot be had from zoo 1\.0: ImportError: libcat"):
        rack().listing("model", "zoo/*")


def test_two_plugins_with_one_prefix(zoo, rack):
    registry = rack("one", "two")
    assert registry.find("model", "two/zoo/big-cat").plugin == "two"
    with pytest.raises(UserError, match="in 2 plugins") as caught:
        registry.find("model", "zoo/big-cat")
    assert caught.value.hint == "Type --model one/zoo/big-cat  or  --model two/zoo/big-cat."
    assert [each.full for each in registry.listing("model", "one/zoo/*cat")] == ["one/zoo/big-cat", "one/zoo/small-cat"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (ZOO.replace('"model", "zoo"', '"modle", "zoo"'), "kind 'modle'"),
        (ZOO.replace('"model", "zoo"', '"model", "the zoo"'), "odd characters"),
        (ZOO + "    return [3]\n", ""),
        (ZOO.replace("return [modrack.Family", "return [3, modrack.Family"), "no modrack.Family"),
        (ZOO.replace('refused={"dog": "it barks."})]', ")] * 2"), "there twice"),
    ],
)
def test_a_family_that_is_none_breaks_its_plugin_only(zoo, rack, text, reason):
    (plugin,) = rack(text=text).plugins
    assert (plugin.error or "").find(reason) >= 0
    assert bool(plugin.error) == bool(reason)


def test_a_version_holds_the_librarys(zoo, rack):
    (offer,) = rack().families.of("model")
    offer.plugin.version = "0.3"
    assert offer.version == "0.3+zoo.1.0"
