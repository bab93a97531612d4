"""Options read from the signature of a library's class, and factories that carry them.

An annotation is kept as far as it can be typed on a command line: `float | Tensor` is float. A parameter of which
nothing is left, such as a function, is no option.
"""

from __future__ import annotations

import collections.abc
import contextlib
import functools
import inspect
import operator
import re
import types
import typing
from collections.abc import Callable, Container, Iterable, Mapping
from typing import Annotated, Any, Literal, TypeVar, Union

Factory = TypeVar("Factory", bound=Callable[..., Any])
Options = dict[str, inspect.Parameter]

_PLAIN = (bool, int, float, str, type(None))
_LISTS = (list, collections.abc.Iterable, collections.abc.Sequence)


def options_of(function: Callable[..., Any], doc: str | None, skip: Container[str] = ()) -> Options:
    """The parameters of `function` but those in `skip`, as keyword-only ones with plain types and help from `doc`.

    Raises ValueError for a parameter without default whose type is not plain: such a function cannot be offered.
    """
    hints = _hints(function)
    help_texts = argument_help(doc or "")
    found: Options = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if name == "self" or name in skip or parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
            continue
        kind = plain_type(hints.get(name))
        if kind is None:
            if parameter.default is parameter.empty:
                raise ValueError(f"{name} is {hints.get(name)}, which cannot be typed on a command line")
            continue
        found[name] = option(name, kind, parameter.default, help_texts.get(name, ""))
    return found


def option(name: str, kind: Any, default: Any = inspect.Parameter.empty, text: str = "") -> inspect.Parameter:
    """One option; without a default it has to be said."""
    annotation = Annotated[kind, text] if text else kind
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def carry(function: Factory, given: Iterable[str], options: Mapping[str, inspect.Parameter], doc: str = "") -> Factory:
    """`function`, whose signature says that it takes `given` from the runner and `options` from the user."""
    first = [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in given]
    bare: Any = function
    bare.__signature__ = inspect.Signature([*first, *options.values()])
    bare.__annotations__ = {name: each.annotation for name, each in options.items()}
    if doc:
        bare.__doc__ = doc
    return function


def plain_type(annotation: Any) -> Any:
    """What of `annotation` can be typed, or None."""
    if annotation in _PLAIN:
        return annotation
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal:
        values = tuple(value for value in arguments if value is not None)
        kept: Any = Literal[values]
        return kept | None if len(values) < len(arguments) else kept
    if origin in (Union, types.UnionType):
        members = tuple(member for member in map(plain_type, arguments) if member is not None)
        return functools.reduce(operator.or_, members) if set(members) - {type(None)} else None
    if origin in _LISTS and len(arguments) == 1:
        inner = plain_type(arguments[0])
        return None if inner is None else types.GenericAlias(list, inner)
    if origin is tuple:
        inners = tuple(each if each is ... else plain_type(each) for each in arguments)
        return None if None in inners else types.GenericAlias(tuple, inners)
    return None


def either(one: Any, other: Any) -> Any:
    """The type of what is of `one` type or of the `other`, their choices in one list."""
    members = [
        member
        for kind in (one, other)
        for member in (typing.get_args(kind) if typing.get_origin(kind) in (Union, types.UnionType) else (kind,))
    ]
    choices = dict.fromkeys(
        value for member in members if typing.get_origin(member) is Literal for value in typing.get_args(member)
    )
    rest = [member for member in members if typing.get_origin(member) is not Literal]
    return functools.reduce(operator.or_, [*([Literal[tuple(choices)]] if choices else []), *rest])


def _hints(function: Any) -> dict[str, Any]:
    """The annotations that can be read: libraries import the names of some for type checkers only."""
    abstract = {name: getattr(collections.abc, name) for name in collections.abc.__all__}
    found: dict[str, Any] = {}
    for name, annotation in getattr(function, "__annotations__", {}).items():
        bare = types.FunctionType((lambda: None).__code__, function.__globals__)
        bare.__annotations__ = {name: annotation}
        with contextlib.suppress(Exception):
            found |= typing.get_type_hints(bare, localns=abstract)
    return found


def argument_help(doc: str) -> dict[str, str]:
    """The first sentence about each argument, from the part `Args:` of a docstring in Google's style."""
    lines = inspect.cleandoc(doc).splitlines()
    start = next((index for index, line in enumerate(lines) if re.fullmatch(r"\s*Args:\s*", line)), None)
    if start is None:
        return {}
    outer = _indent(lines[start])
    texts: dict[str, list[str]] = {}
    name, depth = "", 0
    for line in lines[start + 1 :]:
        if line.strip() and _indent(line) <= outer:
            break
        head = re.match(r"\s*(\w+)\s*(\([^)]*\))?:\s*(.*)", line)
        if head and (not depth or _indent(line) == depth):
            name, depth = head[1], _indent(line)
            texts[name] = [head[3]]
        elif name:
            texts[name].append(line.strip())
    return {name: _sentence(" ".join(parts)) for name, parts in texts.items()}


def spelled(name: str) -> str:
    """A class's name as a component's: `CohenKappa` is cohen-kappa, `LogAUC` log-auc."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", name).lower()


def summary_of(thing: Any) -> str:
    """The first sentence of a class's docstring, without markup; its name where there is none."""
    doc = inspect.cleandoc(getattr(thing, "__doc__", None) or "").split("\n\n")[0]
    said = re.sub(r"^(Implements|Computes?|Calculates?)\s+", "", _sentence(" ".join(doc.split())))
    return said[:1].upper() + said[1:] or thing.__name__


def _sentence(text: str) -> str:
    text = re.sub(r":\w+:`~?([^`<]*)(<[^>]*>)?`_?", r"\1", text)
    text = re.sub(r"`([^`<]*)(<[^>]*>)?`_{0,2}", r"\1", text.replace("``", "`")).replace("*", "")
    text = re.split(r"\(?\b[Dd]efault(?:s to)?\b|(?<=[a-z)\]])\.(?:\s|$)|\s-\s", f"{text} ")[0]
    return " ".join(text.split()).strip(" .(:,;").removesuffix(" algorithm")


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
