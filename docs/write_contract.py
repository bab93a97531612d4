"""Writes docs/contract.md from the code: what each kind is given, must return, may declare, and what is checked.

python docs/write_contract.py            write it
python docs/write_contract.py --check    fail where it is not what the code says
"""

from __future__ import annotations

import inspect
import sys
import textwrap
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Lt

import modrack
from modrack.data.facts import Data
from modrack.runner.added import OFFERED
from modrack.runner.loop import MOMENTS, Training
from modrack.testing.kit import functions_of
from modrack_registry import hookspecs
from modrack_registry.kinds import BUILT_IN_KINDS, FACTS, GIVEN, Kind
from modrack_registry.options import read_options

FILE = Path(__file__).with_name("contract.md")
HEAD = """\
# The contract

What a part of each kind is given, what it must return, what its decorator takes, and what `modrack check` checks.
Written by `python docs/write_contract.py` from the code; a test holds the two together. The tutorial is
[plugins.md](plugins.md).

**What stands before the `*` the runner gives; what stands after it the user chooses.** A part may take fewer of the
runner's arguments than it is offered, by the names they have here.
"""


def examples(
    *,
    a: bool = True,
    b: int = 1,
    c: Annotated[int, Gt(0), "help"] = 1,
    d: Annotated[float, Ge(0), Lt(1), "help"] = 0.5,
    e: str = "x",
    f: str | None = None,
    g: Literal["sum", "mean"] = "sum",
    h: list[int] = [1, 2],  # noqa: B006
    i: tuple[float, float] = (0.9, 0.99),
    j: dict[str, float] = {"a": 1.0},  # noqa: B006
) -> None:
    """Options of every sort, read as those of any part."""


TYPED = ("false", "3", "3", "0.1", "text", "none", "mean", "1,2,3", "0.9,0.95", "a=1,b=2")


def contract() -> str:
    """The whole page."""
    parts = [HEAD, *(kind_text(kind) for kind in BUILT_IN_KINDS), every_text(), options_text(), added_text()]
    return "\n".join([*parts, data_text(), hooks_text()])


def kind_text(kind: Kind) -> str:
    """One kind: its form, what it is given, what it makes, its facts, its checks."""
    arguments = ", ".join([*kind.given, "*", "…"])
    many = f" `--{kind.name}` can be given several times." if kind.many else ""
    if kind.form == "class":
        form = f"A class; the runner's arguments and the options are those of `__init__(self, {arguments})`.{many}"
    else:
        form = f"A function `({arguments})`.{many}"
    lines = [
        f"## {kind.name}: {kind.summary}",
        "",
        form,
        "",
        f"**{'Is' if kind.form == 'class' else 'Returns'}** {kind.returns}.",
        "",
    ]
    if kind.given:
        lines += table(("given", "what it is"), ((f"`{name}`", GIVEN[name]) for name in kind.given))
    if kind.facts:
        lines += table((f"`@modrack.{kind.name}(…)`", "says"), ((f"`{fact}`", FACTS[fact]) for fact in kind.facts))
    lines += METHODS.get(kind.name, list)()
    mine = dict(functions_of(kind.name))
    for name in functions_of(""):
        mine.pop(name, None)
    return "\n".join([*lines, "Checked, beside what is of every kind:", "", *checks(mine), ""])


def every_text() -> str:
    """What holds for all kinds."""
    rows = (
        ("`name`", "what it is called, where that is not the function's name with `-`"),
        ("`version`", "raised when the same options mean something else; else the plugin's version counts"),
        ("`example`", "options with which it can be tried quickly and offline, where its defaults cannot"),
    )
    lines = [
        "## Every kind",
        "",
        *table(("`@modrack.KIND(…)`", "says"), rows),
        "Checked:",
        "",
        *checks(functions_of("")),
    ]
    return "\n".join([*lines, ""])


def options_text() -> str:
    """The types of options, as they are read and shown."""
    annotations = inspect.get_annotations(examples)
    rows = [
        (f"`{annotations[name]}`", f"`{option.label}`", f"`{typed}`")
        for (name, option), typed in zip(read_options(examples)[1].items(), TYPED, strict=True)
    ]
    return "\n".join(
        [
            "## Options",
            "",
            "Keyword-only, annotated, plain data. `Annotated` holds bounds (annotated_types) and help (a string).",
            "",
            *table(("annotation", "`modrack show` says", "typed as"), rows),
        ]
    )


def added_text() -> str:
    """Kinds that a plugin adds."""
    lines = ["## A kind of your own", "", flowed(Kind.__doc__ or ""), ""]
    return "\n".join(
        [*lines, f"Offered to a component of an added kind: {', '.join(f'`{each}`' for each in OFFERED)}.", ""]
    )


def data_text() -> str:
    """The facts that factories receive."""
    return "\n".join(["## data", "", flowed(inspect.getdoc(Data) or ""), ""])


def hooks_text() -> str:
    """Every hook, with its example."""
    lines = ["## Hooks", "", "Marked with `@modrack.hook`; each is optional, and may take fewer arguments.", ""]
    for name, spec in vars(hookspecs).items():
        if name.startswith("modrack_"):
            text, at, example = (inspect.getdoc(spec) or "").partition("@modrack.hook")
            signature = ", ".join(inspect.signature(spec).parameters)
            code = textwrap.dedent(" " * (len(text) - len(text.rstrip(" "))) + at + example)
            lines += [f"### {name}({signature})", "", text.strip(), "", "```python", code.rstrip(), "```", ""]
    return "\n".join(lines).rstrip() + "\n"


def task_methods() -> list[str]:
    """What a task's author overrides."""
    rows = [
        (f"`{name}{signature(method)}`", flowed(inspect.getdoc(method) or ""))
        for name, method in vars(modrack.Task).items()
        if callable(method) and not name.startswith("_") and name != "forward"
    ]
    lines = ["`emits` are the outputs that metrics may ask for; `phases` says which parts learn in which phase.", ""]
    return [*lines, *table(("method", "what it does"), rows)]


def metric_methods() -> list[str]:
    """What the runner calls of a metric."""
    rows = [
        ("`update(outputs…)`", "after each batch of an evaluation; its parameters name outputs that the task emits"),
        ("`compute()`", "at the end: a number, or a dict of numbers by name"),
        ("`picture()`", "after the test, where a metric has it: an image of Pillow, or None; kept with the run"),
    ]
    return table(("method", "called"), rows)


def callback_methods() -> list[str]:
    """The moments of a run, and what a callback sees of it."""
    rows = ((f"`{name}(training)`", when) for name, when in MOMENTS.items())
    offered = [
        (f"`training.{name}{signature(method)}`", flowed(inspect.getdoc(method) or ""))
        for name, method in vars(Training).items()
        if name in ("stop", "log", "outputs", "picture")
    ]
    kept = [
        ("`state_dict()`", "what a resumed run is to know again: tensors, numbers, texts, lists and dicts"),
        ("`load_state_dict(state)`", "before `started`, in a resumed run; called only where it was saved with it"),
    ]
    lines = [f"`training`: {flowed(inspect.getdoc(Training) or '').partition('. `log`')[0]}.", ""]
    return [
        *table(("moment", "called"), rows),
        *table(("if it has both", ""), kept),
        *lines,
        *table(("", "what it does"), offered),
    ]


METHODS: dict[str, Callable[[], list[str]]] = {
    "task": task_methods,
    "metric": metric_methods,
    "callback": callback_methods,
}


def checks(functions: dict[str, Callable[..., None]]) -> list[str]:
    """A line a check."""
    return [f"- {name}: {flowed(inspect.getdoc(function) or '')}" for name, function in functions.items()]


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A table of Markdown, with an empty line behind it."""
    escaped = ([cell.replace("|", "\\|") for cell in row] for row in (head, ["---"] * len(head), *rows))
    return [*(f"| {' | '.join(row)} |" for row in escaped), ""]


def signature(method: Callable[..., Any]) -> str:
    """`(batch, phase)`: the names alone."""
    return f"({', '.join(name for name in inspect.signature(method).parameters if name != 'self')})"


def flowed(text: str) -> str:
    """A docstring's paragraphs in one line."""
    return " ".join(inspect.cleandoc(text).split())


def main() -> int:
    """Write the page, or with --check compare it."""
    if "--check" not in sys.argv:
        FILE.write_text(contract(), "utf-8")
        return 0
    same = FILE.is_file() and FILE.read_text("utf-8") == contract()
    print("docs/contract.md is up to date" if same else "docs/contract.md is old: python docs/write_contract.py")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
