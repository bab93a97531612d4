"""What a filter's text means, and what is said of one that means nothing."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime

import pytest

from modrack_registry.errors import UserError
from modrack_registry.store.filter import operands
from modrack_registry.store.filter.nodes import All, Key, Not, Some, Term, Tree
from modrack_registry.store.filter.parse import MOST_BYTES, MOST_DEEP, MOST_TERMS, parse, parse_key


def plain(tree: Tree[Term]) -> object:
    """A tree as lists and texts."""
    if isinstance(tree, Not):
        return ["not", plain(tree.part)]
    if isinstance(tree, All | Some):
        return ["all" if isinstance(tree, All) else "some", *(plain(part) for part in tree.parts)]
    values = ",".join(repr(word.text) if word.quoted else word.text for word in tree.words)
    return f"{tree.key} {tree.operator} {'in ' if tree.chosen else ''}{values}"


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("", ["all"]),
        ("  \n ", ["all"]),
        ("lr<0.01", "lr < 0.01"),
        ("lr  <=\t0.01 ", "lr <= 0.01"),
        ("a=1 b!=2", ["all", "a = 1", "b != 2"]),
        ("a=1|b=2 c=3", ["some", "a = 1", ["all", "b = 2", "c = 3"]]),
        ("(a=1|b=2) c=3", ["all", ["some", "a = 1", "b = 2"], "c = 3"]),
        ("(a=1)(b=2)", ["all", "a = 1", "b = 2"]),
        ("-a=1", ["not", "a = 1"]),
        ("-(a=1 b=2)", ["not", ["all", "a = 1", "b = 2"]]),
        ("--a=1", ["not", ["not", "a = 1"]]),
        ("x=-5 x>-inf", ["all", "x = -5", "x > -inf"]),
        ("tag:debug -tag:exp*", ["all", "tag = debug", ["not", "tag = exp*"]]),
        ('tag:"two words"', "tag = 'two words'"),
        ("lr=..0.01", "lr = ..0.01"),
        ("a in(1,2)", "a = in 1,2"),
        ("a in (1, 'b c' ,*)", "a = in 1,'b c',*"),
        ("a=in(1) a!=in(2)", ["all", "a = in 1", "a != in 2"]),
        ("in=5", "in = 5"),
        ("index=inside", "index = inside"),
        ("note~'say \"hi\"'", "note ~ 'say \"hi\"'"),
        (r'note="a\"b\\c\d"', r"note = 'a" + '"' + r"b\\c\\d'"),
        ("note=it's", "note = it's"),
        ('name=""', "name = ''"),
        ("started>2026-11-01T12:30+02:00", "started > 2026-11-01T12:30+02:00"),
        ("test.accuracy@max>0.9", "test.accuracy@max > 0.9"),
        ("recall@5>0.9", "recall@5 > 0.9"),
        ("recall@5@min>0.9", "recall@5@min > 0.9"),
        ('"odd name"@max>1', "odd name@max > 1"),
        ("betas=0.9,0.999", "betas = 0.9,0.999"),
        ("note!~ümläut", "note !~ ümläut"),
    ],
)
def test_a_filter_is_read_as(text: str, tree: object) -> None:
    assert plain(parse(text)) == tree


@pytest.mark.parametrize(
    ("text", "column", "said"),
    [
        ("lr<0.01 (a=1", 8, "never closed"),
        ("a=1) b=2", 3, "closes nothing"),
        ("()", 1, "missing before `)`"),
        ("a=1 |", 5, "missing before the end"),
        ("| a=1", 0, "missing before `|`"),
        ("a=1 || b=2", 5, "missing before `|`"),
        ("lr=", 3, "`lr=` lacks a value"),
        ("(lr=)", 4, "lacks a value"),
        ("lr= model=cnn", 9, "needs quotes"),
        ("tag:", 4, "`tag:` lacks a value"),
        ("lr", 2, "lacks an operator"),
        ("a=1 cnn b=2", 7, "lacks an operator"),
        ("model:cnn", 9, "Did you mean model=cnn?"),
        ("lr==1", 2, "Did you mean =?"),
        ("name=~x", 4, "Did you mean ~?"),
        ("lr<>1", 2, "Did you mean !=?"),
        ("lr!1", 2, "Did you mean !=?"),
        ("<5", 0, "A key is missing"),
        ("a=1 and b=2", 4, "A space is `and`."),
        ("a=1 OR b=2", 4, "`|` is `or`."),
        ("not a=1", 0, "right before a term"),
        ("- a=1", 0, "right before what it negates"),
        ("a=1 -", 4, "right before what it negates"),
        ('name="abc', 5, "never closed"),
        ('name="a"b', 8, "ends with its quote"),
        ("name=f(x)", 6, "needs quotes"),
        ("a in(1,", 2, "never closed"),
        ("a in()", 5, "missing in this list"),
        ("a in(1,,2)", 7, "missing in this list"),
        ("a in(1 2)", 7, "A comma"),
        ('"odd"@foo=1', 5, "cannot follow"),
        ("日本 ü", 2, "lacks an operator"),
    ],
)
def test_a_mistake_is_shown_at_its_column(text: str, column: int, said: str) -> None:
    with pytest.raises(UserError) as caught:
        parse(text)
    message, filter_line, caret_line, *_ = caught.value.lines
    assert said in "\n".join(caught.value.lines)
    assert filter_line == f"  {text}"
    wide = sum(2 if char in "日本" else 1 for char in text[:column])
    assert caret_line == "  " + " " * wide + "^"
    assert message.endswith(".")
    assert len(caught.value.lines) <= 4
    assert caught.value.exit_code == 2


def test_a_filter_has_bounds() -> None:
    assert parse("(" * MOST_DEEP + "a=1" + ")" * MOST_DEEP)
    for text, said in [
        ("(" * (MOST_DEEP + 1) + "a=1" + ")" * (MOST_DEEP + 1), "deeper than 64"),
        ("-(" * 100 + "a=1" + ")" * 100, "deeper than 64"),
        ("-" * 100 + "a=1", "deeper than 64"),
        ("a=1 " * (MOST_TERMS + 1), "more than 256 terms"),
        ("a=" + "x" * MOST_BYTES, "4,098 bytes long"),
        ("a=" + "ü" * 5000, "10,002 bytes long"),
        (f"a in({','.join('1' * 1001)})", "at most 1000"),
    ]:
        with pytest.raises(UserError, match=said) as caught:
            parse(text)
        assert all(len(line) < 140 for line in caught.value.lines)


def test_a_long_filter_is_shown_around_the_mistake() -> None:
    with pytest.raises(UserError) as caught:
        parse("a=1 " * 100 + "lr==5 " + "b=2 " * 100)
    _, shown, caret, *_ = caught.value.lines
    assert shown[caret.index("^") :].startswith("==5")
    assert shown.startswith("  …")
    assert shown.endswith("…")


def test_what_commands_a_terminal_is_not_repeated() -> None:
    with pytest.raises(UserError) as caught:
        parse("a=1 \x1b[31mred\u202e")
    assert "\x1b" not in str(caught.value)
    assert "\u202e" not in str(caught.value)


def test_a_sort_key_has_a_direction() -> None:
    assert parse_key("-test.accuracy@max") == (Key("test.accuracy", "max", 1), True)
    assert parse_key(" lr ") == (Key("lr", None, 1), False)
    for wrong in ("", "-", "a b", "a<1", "(a)"):
        with pytest.raises(UserError, match="is no key"):
            parse_key(wrong)


def test_spans_and_moments() -> None:
    assert operands.span("1h30m") == 5400
    assert operands.span("2w") == 14 * 86400
    assert [operands.span(text) for text in ("2", "d", "2x", "2 d", "-2d")] == [None] * 5
    now = datetime(2026, 11, 25, 15, 30).timestamp()
    day = datetime(2026, 11, 25).timestamp(), datetime(2026, 11, 26).timestamp()
    assert operands.moment("today", now) == day
    assert operands.moment("2026-11-25", now) == day
    assert operands.moment("yesterday", now) == (datetime(2026, 11, 24).timestamp(), day[0])
    assert operands.moment("2026-12", now) == (datetime(2026, 12, 1).timestamp(), datetime(2027, 1, 1).timestamp())
    noon = datetime(2026, 11, 25, 12, 30, tzinfo=UTC).timestamp()
    assert operands.moment("2026-11-25T12:30Z", now) == (noon, noon + 60)
    assert operands.moment("2026-11-25 14:30:00+02:00", now) == (noon, noon + 1)
    assert operands.moment("2026-11-25T10:00:00.5-0230", now) == (noon + 0.5, noon + 0.5)
    for wrong in ("2026-02-30", "2026-13", "0000-01-01", "2026-11-25T25:00"):
        with pytest.raises(ValueError, match=r"."):
            operands.moment(wrong, now)


def test_numbers_are_plain_ascii() -> None:
    assert operands.number("5") == 5
    assert isinstance(operands.number("5"), int)
    assert operands.number("1e400") == float("inf")
    assert operands.number("9" * 400) == float("inf")
    assert [operands.number(text) for text in ("", "1_000", "٣", "nan", "0x10", "1e", ".", "5m")] == [None] * 8


def test_the_parser_needs_no_database_library() -> None:
    code = (
        "import sys, types; store = types.ModuleType('modrack_registry.store'); "
        "import modrack_registry; store.__path__ = [modrack_registry.__path__[0] + '/store']; "
        "sys.modules['modrack_registry.store'] = store; "
        "from modrack_registry.store.filter import bind, evaluate, explain, parse; "
        "print('sqlalchemy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"
