"""New components and new distributions, from templates that train as they are."""

from __future__ import annotations

import keyword
import re
from importlib.resources import files
from pathlib import Path
from string import Template

from modrack_registry.component import NAME
from modrack_registry.errors import UserError
from modrack_registry.suggest import did_you_mean

KINDS = ("model", "dataset", "optimizer", "scheduler", "metric", "task", "callback", "exporter")
CLASSES = ("metric", "task", "callback")


def write_component(kind: str, name: str, folder: Path) -> Path:
    """Write `name` as a file in `folder`. Raises UserError for an unknown kind, an odd name, a file that is there."""
    if kind not in KINDS:
        raise UserError(f"There is no template for {kind!r}.", did_you_mean(kind, [*KINDS, "plugin"]))
    path = folder / f"{_function(name)}.py"
    _refuse_existing(path)
    text = component_text(kind, name, path.name)
    try:
        path.write_text(text, "utf-8")
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}.") from None
    return path


def write_distribution(name: str, folder: Path) -> list[Path]:
    """Write a distribution with a component of each kind, tests and README into `folder/name`."""
    module = _function(name)
    top = folder / name
    _refuse_existing(top)
    short = name.removeprefix("modrack-")
    names = {kind: f"{short}-{kind}" for kind in KINDS}
    from modrack import __version__

    facts = {"name": name, "module": module, "version": __version__} | names
    content = {
        "pyproject.toml": _template("pyproject", **facts),
        "README.md": _template("readme", **facts),
        f"{module}/__init__.py": _init(name, names),
        "tests/test_parts.py": _template("tests", **facts),
    }
    for kind in KINDS:
        content[f"{module}/{_function(names[kind])}.py"] = _packaged(component_text(kind, names[kind], ""))
    try:
        for file, text in content.items():
            (top / file).parent.mkdir(parents=True, exist_ok=True)
            (top / file).write_text(text, "utf-8")
    except OSError as error:
        raise UserError(f"{top} cannot be written: {error.strerror}.") from None
    return [top / file for file in content]


def component_text(kind: str, name: str, file: str) -> str:
    """The source of a new component."""
    function = _function(name)
    title = name.replace("-", " ").capitalize()
    return _template(kind, name=name, function=function, Class=_class(name), title=title, file=file)


def _init(name: str, names: dict[str, str]) -> str:
    parts = sorted(
        (_function(each), _class(each) if kind in CLASSES else _function(each)) for kind, each in names.items()
    )
    lines = [f'"""The parts of {name}: those that are imported here."""', ""]
    lines += [f"from .{module} import {part}" for module, part in parts]
    shown = ", ".join(f'"{part}"' for _, part in sorted(parts, key=lambda pair: pair[1]))
    return "\n".join([*lines, "", f"__all__ = [{shown}]", ""])


def _packaged(text: str) -> str:
    """The docstring of a single file says how to load it by path; in a distribution nobody does."""
    head, _, rest = text.partition('"""\n\n')
    return head.splitlines()[0].rstrip() + '"""\n\n' + rest


def _template(template: str, **values: str) -> str:
    text = files("modrack.scaffold").joinpath("templates", f"{template}.txt").read_text("utf-8")
    return Template(text).substitute(values)


def _function(name: str) -> str:
    if not NAME.fullmatch(name) or "/" in name or not re.sub(r"\W", "_", name).isidentifier():
        raise UserError(f"{name!r} is no name for a part.", "Use a-z, 0-9 and '-', as in my-net.")
    function = re.sub(r"\W", "_", name)
    return f"{function}_" if keyword.iskeyword(function) else function


def _class(name: str) -> str:
    return "".join(word.capitalize() for word in re.split(r"\W|_", name))


def _refuse_existing(path: Path) -> None:
    if path.exists():
        raise UserError(f"{path} is there already.", "Choose another name, or move it away.")
