"""Finding plugins among real files, loading each behind its guard."""

from __future__ import annotations

import sys

import pytest

from modrack_registry.discovery import find_sources, load_plugins
from modrack_registry.errors import UserError
from modrack_registry.registry import Registry, load_registry


@pytest.fixture
def dist(tmp_path, monkeypatch):
    """Put a distribution with entry points of the group on sys.path, as an installer leaves it."""
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)

    def make(name, entry_points, **modules):
        info = tmp_path / f"{name.replace('-', '_')}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text("[modrack]\n" + "".join(f"{k} = {v}\n" for k, v in entry_points.items()))
        for module, text in modules.items():
            (tmp_path / f"{module}.py").write_text(text)

    yield make
    for module in set(sys.modules) - before:
        del sys.modules[module]


def loaded(*names, without=()):
    sources = [source for source in find_sources() if source.plugin in names]
    return {plugin.name: plugin for plugin in load_plugins(sources, without)}


def test_a_distribution_with_two_modules_is_one_plugin(dist):
    dist("dist-a", {"x": "dist_a_x", "y": "dist_a_y"}, dist_a_x="A = 1", dist_a_y="B = 2")
    plugin = loaded("dist-a")["dist-a"]
    assert (plugin.version, plugin.origin, plugin.error) == ("1.2", "package", None)
    assert [module.__name__ for module in plugin.modules] == ["dist_a_x", "dist_a_y"]
    assert plugin.seconds > 0


def test_two_distributions_with_one_entry_point_name_are_both_there(dist):
    dist("dist-b", {"same": "dist_b"}, dist_b="")
    dist("dist-c", {"same": "dist_c"}, dist_c="")
    assert set(loaded("dist-b", "dist-c")) == {"dist-b", "dist-c"}


def test_order_is_by_name_after_the_built_in_ones(dist):
    dist("dist-z", {"a": "dist_z"}, dist_z="")
    dist("dist-d", {"z": "dist_d"}, dist_d="")
    names = list(dict.fromkeys(source.plugin for source in find_sources()))
    assert names[0] == "modrack"
    assert names[1:] == sorted(names[1:])


def test_finding_and_leaving_out_import_nothing(dist):
    dist("dist-e", {"x": "dist_e"}, dist_e="raise SystemExit('imported')")
    find_sources()
    assert loaded("dist-e", without=["dist-e"]) == {}
    assert "dist_e" not in sys.modules


def test_the_allow_list_of_the_environment(dist, monkeypatch, tmp_path):
    dist("dist-f", {"x": "dist_f"}, dist_f="")
    dist("dist-g", {"x": "dist_g"}, dist_g="")
    (tmp_path / "local_one.py").write_text("")
    monkeypatch.setenv("MODRACK_PLUGINS", "dist-g , nothing")
    names = {plugin.name for plugin in load_registry([tmp_path / "local_one.py"]).plugins}
    assert names == {"modrack", "dist-g", "local_one"}
    monkeypatch.setenv("MODRACK_PLUGINS", "")
    assert {plugin.name for plugin in load_registry().plugins} == {"modrack"}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("raise ValueError('bad\\nluck')", "ValueError: bad"),
        ("import sys\nsys.exit('bye')", "it called sys.exit('bye') while it was imported"),
        ("def f(:", "syntax error in "),
        ("raise BaseException('all')", "BaseException: all"),
    ],
)
def test_the_guard_keeps_the_reason(dist, text, reason):
    dist("dist-h", {"x": "dist_h"}, dist_h=text)
    assert reason in loaded("dist-h")["dist-h"].error


def test_the_guard_lets_ctrl_c_through(dist):
    dist("dist-i", {"x": "dist_i"}, dist_i="raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        loaded("dist-i")


def test_what_a_plugin_prints_goes_to_stderr(dist, capfd):
    dist("dist-j", {"x": "dist_j"}, dist_j="print('noise')")
    loaded("dist-j")
    out, err = capfd.readouterr()
    assert (out, err) == ("", "noise\n")


def test_a_good_module_of_a_broken_plugin_stays(dist):
    net = "import modrack\n@modrack.model\ndef kept(data):\n    'Kept.'\n"
    dist("dist-k", {"bad": "dist_k_bad", "good": "dist_k_good"}, dist_k_bad="import nowhere", dist_k_good=net)
    registry = Registry(list(loaded("dist-k").values()))
    assert registry.find("model", "kept").full == "dist-k/kept"
    assert [plugin.name for plugin in registry.broken] == ["dist-k"]


def test_files(tmp_path):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "same.py").write_text(f"import modrack\n@modrack.model\ndef {folder}(data):\n    'N.'\n")
    files = [tmp_path / folder / "same.py" for folder in ("one", "two")]
    registry = load_registry(files, without=["modrack"])
    assert [each.full for each in registry.components()] == ["same/one", "same/two"]
    assert [plugin.origin for plugin in registry.plugins] == ["file", "file"]
    again = load_registry(files, without=["modrack"])
    assert again.find("model", "one").factory is registry.find("model", "one").factory


def test_a_file_called_as_a_module_does_not_shadow_it(tmp_path):
    import json

    (tmp_path / "json.py").write_text("import modrack\n@modrack.model\ndef net(data):\n    'N.'\n")
    assert load_registry([tmp_path / "json.py"], without=["modrack"]).find("model", "json/net")
    assert sys.modules["json"] is json


def test_files_that_cannot_be(tmp_path):
    with pytest.raises(UserError, match="there is no such file"):
        load_registry([tmp_path / "none.py"])
    (tmp_path / "text.txt").write_text("")
    with pytest.raises(UserError, match="is Python and ends in"):
        load_registry([tmp_path / "text.txt"])
    with pytest.raises(UserError, match="--without nobody: no plugin has this name"):
        load_registry(without=["nobody"])
