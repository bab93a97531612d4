"""What is written as TOML is read back as it was."""

from __future__ import annotations

import math
import tomllib

from hypothesis import given
from hypothesis import strategies as st

from modrack.configure.toml import value_toml, write_toml

# TOML holds 64-bit integers; a lone surrogate is no text.
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
PLAIN = st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | TEXT
VALUES = st.recursive(PLAIN, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner), max_leaves=8)


@given(VALUES)
def test_any_value_comes_back(value):
    assert tomllib.loads(f"x = {value_toml(value)}")["x"] == value


@given(TEXT, PLAIN)
def test_a_comment_never_breaks_the_file(origin, value):
    (line,) = write_toml({"x": value}, {"model.x": origin}, "model.")
    assert tomllib.loads(line) == {"x": value}


def test_what_toml_has_no_word_for():
    assert value_toml(None) == '"none"'
    assert value_toml((1, 2)) == "[1, 2]"
    assert math.isnan(tomllib.loads(f"x = {value_toml(math.nan)}")["x"])
