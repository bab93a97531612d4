"""The documentation strings of Python's standard library, from its source files. Nothing is imported or run."""

from __future__ import annotations

import ast
import hashlib
import sysconfig
import warnings
from collections.abc import Iterator
from pathlib import Path

# Not documentation for readers: tests, other people's packages, programs that happen to lie there.
_LEFT_OUT = frozenset(
    {"site-packages", "dist-packages", "test", "tests", "idlelib", "lib2to3", "turtledemo", "ensurepip", "__pycache__"}
)
_DOCUMENTED = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def documentation() -> Iterator[tuple[str, str]]:
    """(module, text) of each documentation string, as inspect.cleandoc lays it out; in order of files and lines.

    A text that several have comes once, with the first.
    """
    root = Path(sysconfig.get_path("stdlib"))
    seen: set[str] = set()
    for file in sorted(root.rglob("*.py")):
        parts = file.relative_to(root).parts
        if _LEFT_OUT.intersection(parts) or parts[0].startswith("config-"):
            continue
        module = ".".join((*parts[:-1], file.stem)).removesuffix(".__init__")
        for text in _strings(file):
            if text not in seen:
                seen.add(text)
                yield module, text


def held_out(module: str) -> str:
    """The split that a module belongs to: a function of the first part of its name alone."""
    # A package stays together, and a module with its twin in C or Python: _pydatetime with datetime.
    first = module.split(".")[0].removeprefix("_py").lstrip("_")
    number = hashlib.sha256(first.encode()).digest()[0] % 10
    return {0: "test", 1: "validation"}.get(number, "train")


def _strings(file: Path) -> Iterator[str]:
    try:
        with warnings.catch_warnings():
            # Old files spell some escapes in a way that Python warns of.
            warnings.simplefilter("ignore")
            tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError, OSError):
        return
    for node in (tree, *_documented(tree.body)):
        text = ast.get_docstring(node)
        if text:
            yield text


def _documented(body: list[ast.stmt]) -> Iterator[ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]:
    """Classes and functions, in order; not those inside functions, which nobody can look up."""
    for node in body:
        if isinstance(node, _DOCUMENTED):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from _documented(node.body)
        elif isinstance(node, (ast.If, ast.Try)):
            yield from _documented([*node.body, *node.orelse])
