"""Options read from a signature: types, bounds, help, and what a value must be."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import pytest
from annotated_types import Ge, Gt, Le, Lt, MultipleOf
from hypothesis import given
from hypothesis import strategies as st

from modrack_registry.options import Option, check_options, read_options


def factory(
    data,
    *,
    count: Annotated[int, Gt(0), Lt(100), "how many"] = 3,
    rate: Annotated[float, Ge(0), Le(1)] = 0.5,
    mode: Literal["sum", "mean", 2] = "sum",
    flag: bool = False,
    name: str = "x",
    maybe: Annotated[int | None, MultipleOf(8)] = None,
    sizes: list[int] = [1],  # noqa: B006
    pair: tuple[float, float] = (0.9, 0.99),
    many: tuple[str, ...] = (),
    table: dict[str, int] | None = None,
    path: str,
):
    """Everything that can be typed."""


GIVEN, OPTIONS, PROBLEMS = read_options(factory)


def test_the_signature_is_read():
    assert GIVEN == ("data",)
    assert PROBLEMS == []
    assert OPTIONS["count"].help == "how many"
    assert OPTIONS["path"].required
    assert not OPTIONS["count"].required
    assert {name: option.label for name, option in OPTIONS.items()} == {
        "count": "int > 0 and < 100",
        "rate": "float >= 0 and <= 1",
        "mode": "sum|mean|2",
        "flag": "bool",
        "name": "str",
        "maybe": "int multiple of 8 or none",
        "sizes": "list[int]",
        "pair": "tuple[float, float]",
        "many": "tuple[str, …]",
        "table": "dict[str, int] or none",
        "path": "str",
    }
    assert OPTIONS["mode"].choices == ("sum", "mean", "2")
    assert OPTIONS["flag"].choices == ("true", "false")
    assert OPTIONS["count"].describe() == {
        "name": "count",
        "type": "int > 0 and < 100",
        "default": 3,
        "required": False,
        "choices": [],
        "help": "how many",
    }


@pytest.mark.parametrize(
    ("name", "typed", "value"),
    [
        ("count", "42", 42),
        ("rate", "1e-3", 0.001),
        ("rate", "1", 1.0),
        ("mode", "MEAN", "mean"),
        ("mode", "2", 2),
        ("flag", "true", True),
        ("flag", "no", False),
        ("name", "none", "none"),
        ("name", "", ""),
        ("maybe", "none", None),
        ("maybe", "16", 16),
        ("sizes", "1, 2,3", [1, 2, 3]),
        ("sizes", "", []),
        ("sizes", "[4, 5]", [4, 5]),
        ("pair", "0.5,0.25", (0.5, 0.25)),
        ("many", "a,b", ("a", "b")),
        ("table", "a=1,b=2", {"a": 1, "b": 2}),
        ("table", '{"a": 3}', {"a": 3}),
    ],
)
def test_typed_values(name, typed, value):
    checked = OPTIONS[name].check(typed, text=True)
    assert checked == value
    assert type(checked) is type(value)


@pytest.mark.parametrize(
    ("name", "typed"),
    [
        ("count", "0"), ("count", "100"), ("count", "1.5"), ("count", "x"), ("count", ""), ("rate", "1.01"),
        ("mode", "max"), ("flag", "maybe"), ("maybe", "12"), ("sizes", "1,x"), ("pair", "1"), ("pair", "1,2,3"),
        ("table", "a=x"), ("table", "{"),
    ],
)  # fmt: skip
def test_typed_values_that_do_not_fit(name, typed):
    with pytest.raises(ValueError, match="is not") as caught:
        OPTIONS[name].check(typed, text=True)
    assert "\n" not in str(caught.value)
    assert repr(typed) in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [("count", "3"), ("count", True), ("count", 3.0), ("flag", 1), ("name", 3), ("rate", "0.5"), ("sizes", "1")],
)
def test_values_from_a_file_are_taken_strictly(name, value):
    with pytest.raises(ValueError, match="is not"):
        OPTIONS[name].check(value)


def test_a_list_from_a_file_may_be_a_tuple_and_an_int_a_float():
    assert OPTIONS["pair"].check([1, 0.5]) == (1.0, 0.5)
    assert OPTIONS["rate"].check(1) == 1.0
    assert OPTIONS["maybe"].check(None) is None


@given(st.integers(), st.floats(allow_nan=False))
def test_what_is_typed_is_what_is_got(whole, real):
    assert Option("n", int).check(str(whole), text=True) == whole
    assert Option("x", float).check(repr(real), text=True) == real


def test_infinity_and_nan_can_be_typed():
    assert Option("x", float).check("inf", text=True) == math.inf
    assert math.isnan(Option("x", float).check("nan", text=True))


def test_all_mistakes_of_a_component_at_once():
    values = {"count": ("0", True, "model.count=0"), "cuont": ("1", True, "model.cuont=1"), "rate": (1, False, "f:3")}
    checked, mistakes = check_options(OPTIONS, values, "model net", "model.")
    assert checked["rate"] == 1.0
    assert ["\n".join(each.lines) for each in mistakes] == [
        "model net has no option 'cuont' (model.cuont=1).\n  Did you mean count?",
        "model.count=0: '0' is not an int > 0 and < 100.",
        "model net needs model.path: str.\n  Write model.path=…",
    ]


def odd(data, *args, bare, width=3, thing: object = None, **rest):
    """Breaks the contract in every way."""


def test_a_signature_that_breaks_the_contract():
    given, options, problems = read_options(odd)
    said = " ".join(problem for problem, _ in problems)
    assert given == ("data",)
    assert list(options) == ["thing"]
    for part in ("*args takes anything", "**rest hides", "'bare' has no type", "'width' has no type"):
        assert part in said
    assert "'thing' is object, which cannot be typed on a command line" in said
    assert ("option 'width' has no type.", "Write `width: int = …`.") in problems


def test_annotations_that_cannot_be_read():
    def lost(*, x: NotImported = 1): ...  # type: ignore[name-defined]  # noqa: F821

    _, options, problems = read_options(lost)
    assert options == {}
    assert "its annotations cannot be read" in problems[0][0]


def test_a_class_has_its_options_in_init():
    class Metric:
        def __init__(self, data, *, k: int = 5): ...

    class Bare: ...

    given, options, _ = read_options(Metric)
    assert (given, list(options)) == (("data",), ["k"])
    assert read_options(Bare) == ((), {}, [])


def test_pydantic_waits_for_the_first_value():
    import subprocess
    import sys

    script = (
        "import sys\nfrom modrack_registry.options import read_options\n"
        "def f(*, a: int = 1): ...\nread_options(f)[1]['a'].describe()\nassert 'pydantic' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
