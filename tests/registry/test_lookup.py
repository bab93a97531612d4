"""Declaring components and finding them by name."""

from __future__ import annotations

import pytest

import modrack
from modrack_registry.errors import UserError
from modrack_registry.registry import load_registry


@pytest.fixture
def rack(tmp_path):
    """A registry of plugin files, each given as name=text; no other plugin is in it."""

    def rack(**files):
        paths = []
        for name, text in files.items():
            path = tmp_path / f"{name}.py"
            path.write_text("import modrack\n" + text)
            paths.append(path)
        return load_registry(paths, without=["modrack"])

    return rack


NET = "@modrack.model\ndef my_net(data, *, width: int = 3):\n    'A net.'\n    return width\n"


def test_every_kind_has_a_decorator_that_leaves_the_thing_as_it_is():
    for kind in ("model", "dataset", "optimizer", "scheduler", "metric", "task", "callback", "exporter"):
        decorate = getattr(modrack, kind)

        def part_one():
            """A part."""

        assert decorate(part_one) is part_one
        assert part_one.__modrack__.kind == kind
        assert part_one.__modrack__.name == "part-one"
        assert decorate(name="other", version="2")(part_one).__modrack__.name == "other"
        assert part_one.__modrack__.version == "2"


def test_bare_and_full_names(rack):
    registry = rack(one=NET)
    found = registry.find("model", "my-net")
    assert found is registry.find("model", "one/my-net")
    assert (found.full, found.plugin, found.summary) == ("one/my-net", "one", "A net.")
    assert found.file.endswith("one.py:2")
    assert found.make({"data": None}, {"width": 4}) == 4
    assert len(found.digest) == 64


def test_an_ambiguous_bare_name_says_what_to_type(rack):
    registry = rack(one=NET, two=NET)
    assert registry.find("model", "two/my-net").plugin == "two"
    with pytest.raises(UserError, match="in 2 plugins") as caught:
        registry.find("model", "my-net")
    assert caught.value.hint == "Type --model one/my-net  or  --model two/my-net."


def test_the_same_name_twice_in_one_plugin(rack):
    registry = rack(one=NET + NET.replace("def my_net", "def other").replace("model\n", "model(name='my-net')\n"))
    with pytest.raises(UserError, match="declared twice") as caught:
        registry.find("model", "my-net")
    assert "one.py:2" in str(caught.value)


def test_names_that_are_not_there(rack):
    registry = rack(one=NET, bad="raise RuntimeError('broken inside')")
    with pytest.raises(UserError) as caught:
        registry.find("model", "my-nut")
    assert "Did you mean my-net?" in str(caught.value)
    assert "Plugin bad could not be loaded: RuntimeError: broken inside" in str(caught.value)
    assert "bad.py:2" in str(caught.value)
    with pytest.raises(UserError, match="Did you mean model"):
        registry.find("modle", "my-net")
    with pytest.raises(UserError, match="of the kind model: --model my-net"):
        registry.find("dataset", "my-net")


def test_an_imported_component_belongs_to_the_module_that_wrote_it(rack, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    registry = rack(first=NET, second="from first import my_net\n")
    assert [each.full for each in registry.components("model")] == ["first/my-net"]


def test_components_by_kind_and_glob(rack):
    data = "@modrack.dataset\ndef my_data():\n    'Rows.'\n"
    registry = rack(one=NET + NET.replace("my_net", "other_net") + data)
    assert [each.name for each in registry.components("model")] == ["my-net", "other-net"]
    assert [each.name for each in registry.components(None, "my*")] == ["my-net", "my-data"]
    assert [each.name for each in registry.components("model", "one/o*")] == ["other-net"]
    assert registry.components("scheduler") == []


def test_components_made_in_a_loop(rack):
    registry = rack(
        one="import functools\n"
        "def wide(data, *, width: int = 1, bias: bool = True):\n    'Wide.'\n    return width\n"
        "@modrack.hook\ndef modrack_components():\n    for width in (64, 128):\n"
        "        yield modrack.model(name=f'wide-{width}')(functools.partial(wide, width=width))\n"
    )
    found = registry.find("model", "wide-128")
    assert found.options["width"].default == 128
    assert found.make({"data": None}, {}) == 128
    assert found.file.endswith("one.py:3")
    assert registry.plugins[0].components == 2


def test_a_new_kind_does_not_depend_on_the_order_of_loading(rack):
    user = "@modrack.component('sampler')\ndef backwards(data):\n    'B.'\n"
    kind = "@modrack.hook\ndef modrack_kinds():\n    return [modrack.Kind('sampler', 'what comes next', ('data',))]\n"
    registry = rack(a=user, b=kind)
    assert registry.find("sampler", "backwards").full == "a/backwards"
    assert registry.broken == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("@modrack.model\nclass Net:\n    'A net.'\n", "a model is a function, this is a class"),
        ("@modrack.metric\ndef hits(data): 'Hits.'\n", "a metric is a class, this is a function"),
        ("@modrack.model(name='My Net!')\ndef net(data): 'A net.'\n", "has odd characters"),
        ("@modrack.model(takse='image')\ndef net(data): 'A net.'\n", "has no 'takse'"),
        ("@modrack.model\ndef net(data, width): 'A net.'\n", "the runner gives a model data, not 'width'"),
        ("@modrack.optimizer\nclass Sgd: 'S.'\n", "an optimizer is a function"),
    ],
)
def test_declarations_that_break_the_contract(rack, text, told):
    (component,) = rack(one=text).components()
    mistakes = component.mistakes()
    assert told in "\n".join(each.message for each in mistakes)
    assert all("one.py:" in each.message for each in mistakes)
    with pytest.raises(UserError):
        _ = component.options


def test_collected_mistakes_stay_countable():
    one, two = UserError("a.", "do b"), UserError("c.")
    both = UserError.collect([one, two])
    assert both.mistakes == (one, two)
    assert both.lines == ["a.", "  do b", "c."]
    assert UserError.collect([one]) is one
    assert UserError.collect([both, one]).mistakes == (one, two, one)
