"""What a component's user may choose, read from the factory's signature.

The keyword-only parameters are the options: the annotation is the type, `Annotated` adds bounds
(annotated_types) and help (a string), the default is the default. pydantic checks values, and is
imported when the first value is checked.
"""

from __future__ import annotations

import inspect
import json
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Literal, Union

from modrack_registry.errors import UserError

REQUIRED: Any = inspect.Parameter.empty
_PLAIN = (bool, int, float, str, type(None))


@dataclass(frozen=True)
class Option:
    """One choice: its name, type (without `Annotated`), default (`REQUIRED` where there is none), bounds and help."""

    name: str
    type: Any
    default: Any = REQUIRED
    bounds: tuple[Any, ...] = ()
    help: str = ""

    @property
    def required(self) -> bool:
        return self.default is REQUIRED

    @property
    def choices(self) -> tuple[str, ...]:
        """What can be typed, where that is a closed list."""
        members = _members(self.type)
        return tuple(
            text
            for member in members
            for text in (
                [str(value) for value in typing.get_args(member)]
                if typing.get_origin(member) is Literal
                else ["true", "false"]
                if member is bool
                else []
            )
        )

    @property
    def label(self) -> str:
        """The type and bounds as a person writes them: `int > 0`, `sum|mean`."""
        bounds = " and ".join(filter(None, (_bound_text(bound) for bound in self.bounds)))
        members = [_type_text(member) for member in _members(self.type) if member is not type(None)]
        none = " or none" if type(None) in _members(self.type) else ""
        return f"{'|'.join(members)} {bounds}".strip() + none

    @cached_property
    def _adapter(self) -> Any:
        from pydantic import TypeAdapter

        whole: Any = Annotated[self.type, *self.bounds] if self.bounds else self.type
        return TypeAdapter(whole)

    def check(self, value: Any, *, text: bool = False) -> Any:
        """The value as the factory gets it. `text` says that it was typed. Raises ValueError with one line."""
        from pydantic import ValidationError

        try:
            if text:
                return self._adapter.validate_python(_read_text(self.type, value))
            return self._adapter.validate_python(_shaped(self.type, value), strict=True)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            at = "".join(f"[{part}]" for part in first["loc"] if isinstance(part, int))
            said = f": {first['msg'].lower()} at {at}" if at else ""
            raise ValueError(f"{value!r} is not {_article(self.label)}{said}") from None

    def describe(self) -> dict[str, Any]:
        """For `--json`: name, type, default, required, choices, help."""
        return {
            "name": self.name,
            "type": self.label,
            "default": None if self.required else self.default,
            "required": self.required,
            "choices": list(self.choices),
            "help": self.help,
        }


def read_options(factory: Callable[..., Any]) -> tuple[tuple[str, ...], dict[str, Option], list[tuple[str, str]]]:
    """The runner's arguments, the user's options, and (problem, what to do) for all that breaks the contract."""
    target: Any = factory.__init__ if inspect.isclass(factory) else factory
    if target is object.__init__:
        return (), {}, []
    parameters = list(inspect.signature(target).parameters.values())
    if inspect.isclass(factory):
        parameters = parameters[1:]
    problems: list[tuple[str, str]] = []
    try:
        hints = _hints(target, [each.name for each in parameters if each.kind is inspect.Parameter.KEYWORD_ONLY])
    except Exception as error:
        hints = {}
        problems.append((f"its annotations cannot be read ({error}).", "Import at the top what the annotations name."))
        parameters = [each for each in parameters if each.kind is not inspect.Parameter.KEYWORD_ONLY]
    given: list[str] = []
    options: dict[str, Option] = {}
    for parameter in parameters:
        name = parameter.name
        if parameter.kind in (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL):
            if parameter.kind is inspect.Parameter.VAR_KEYWORD:
                problems.append((f"**{name} hides what can be chosen.", "Name each option after the `*`."))
            else:
                problems.append((f"*{name} takes anything.", "Write a bare `*`, with the options after it."))
        elif parameter.kind is not inspect.Parameter.KEYWORD_ONLY:
            given.append(name)
        elif name not in hints:
            guess = type(parameter.default).__name__ if isinstance(parameter.default, _PLAIN[:4]) else "int"
            problems.append((f"option {name!r} has no type.", f"Write `{name}: {guess} = …`."))
        else:
            option = _option(name, hints[name], parameter.default)
            if not _typeable(option.type):
                problems.append(
                    (
                        f"option {name!r} is {_type_text(option.type)}, which cannot be typed on a command line.",
                        "Use bool, int, float, str, Literal, or a list, tuple or dict of them.",
                    )
                )
            options[name] = option
    return tuple(given), options, problems


def check_options(
    options: dict[str, Option],
    values: dict[str, tuple[Any, bool, str]],
    where: str,
    prefix: str = "",
    declared: str = "",
) -> tuple[dict[str, Any], list[UserError]]:
    """Check `values` ({name: (value, typed, path)}) of `where` ("model cnn") against `options`, all at once.

    `prefix` ("model.") is what stands before an option's name on the command line; `declared` tells an author which
    signature it stands in.
    Returns every option's value, defaults included, and the mistakes.
    """
    from modrack_registry.suggest import did_you_mean

    mistakes = [
        UserError(f"{where} has no option {name!r} ({path}).", did_you_mean(name, options))
        for name, (_, _, path) in values.items()
        if name not in options
    ]
    instead = f", or give it a default in {declared}." if declared else ""
    checked: dict[str, Any] = {}
    for name, option in options.items():
        if name not in values:
            if option.required:
                label = f"{option.help} ({option.label})" if option.help else option.label
                mistakes.append(
                    UserError(f"{where} needs {prefix}{name}: {label}.", f"Write {prefix}{name}=…{instead}")
                )
            checked[name] = option.default
            continue
        value, text, path = values[name]
        try:
            checked[name] = option.check(value, text=text)
        except ValueError as error:
            mistakes.append(UserError(f"{path}: {error}."))
    return checked, mistakes


def _hints(factory: Any, names: list[str]) -> dict[str, Any]:
    """The annotations of parameters `names` alone: the others may name what is imported for type checkers only."""
    while hasattr(factory, "func"):
        factory = factory.func
    factory = inspect.unwrap(factory)
    bare = types.FunctionType((lambda: None).__code__, factory.__globals__)
    bare.__annotations__ = {name: factory.__annotations__[name] for name in names if name in factory.__annotations__}
    return typing.get_type_hints(bare, include_extras=True)


def _option(name: str, annotation: Any, default: Any) -> Option:
    bounds: list[Any] = []
    help_text = ""
    if typing.get_origin(annotation) is Annotated:
        annotation, *extras = typing.get_args(annotation)
        for extra in extras:
            if isinstance(extra, str):
                help_text = extra
            else:
                bounds.append(extra)
    return Option(name, annotation, default, tuple(bounds), help_text)


def _members(annotation: Any) -> tuple[Any, ...]:
    if typing.get_origin(annotation) in (Union, types.UnionType):
        return typing.get_args(annotation)
    return (annotation,)


def _typeable(annotation: Any) -> bool:
    origin = typing.get_origin(annotation)
    if annotation in _PLAIN or origin is Literal:
        return True
    if origin in (list, tuple, dict, Union, types.UnionType, Annotated):
        arguments = typing.get_args(annotation)
        if origin is Annotated:
            arguments = arguments[:1]
        return all(argument is Ellipsis or _typeable(argument) for argument in arguments)
    return annotation in (list, tuple, dict)


def _read_text(annotation: Any, text: Any) -> Any:
    """A typed word as the plain value that `annotation` wants; left a word where that is not clear."""
    if not isinstance(text, str):
        return text
    members = _members(annotation)
    if type(None) in members and text.lower() in ("none", "null"):
        return None
    for member in members:
        origin = typing.get_origin(member) or member
        if origin is Literal:
            for value in typing.get_args(member):
                if str(value).lower() == text.lower():
                    return value
        if origin in (list, tuple, dict):
            if text[:1] in ("[", "{"):
                try:
                    return json.loads(text)
                except ValueError:
                    return text
            if origin is dict:
                return dict(part.partition("=")[::2] for part in text.split(",") if part)
            return [part.strip() for part in text.split(",")] if text else []
    return text


def _shaped(annotation: Any, value: Any) -> Any:
    # TOML and JSON have lists only, where a signature may say tuple.
    if isinstance(value, list) and any(typing.get_origin(member) is tuple for member in _members(annotation)):
        return tuple(value)
    return value


def _type_text(annotation: Any) -> str:
    if annotation is type(None):
        return "none"
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (Union, types.UnionType):
        return "|".join(_type_text(argument) for argument in arguments)
    if origin is Literal:
        return "|".join(str(argument) for argument in arguments)
    if origin in (list, tuple, dict):
        inner = ", ".join("…" if argument is Ellipsis else _type_text(argument) for argument in arguments)
        return f"{origin.__name__}[{inner}]"
    return getattr(annotation, "__name__", str(annotation))


def _bound_text(bound: Any) -> str:
    signs = {"gt": ">", "ge": ">=", "lt": "<", "le": "<=", "multiple_of": "multiple of", "min_length": "length >="}
    return " and ".join(
        f"{sign} {getattr(bound, name)}" for name, sign in signs.items() if getattr(bound, name, None) is not None
    )


def _article(label: str) -> str:
    return f"{'an' if label[:1] in 'aeiou' else 'a'} {label}" if "|" not in label else f"one of {label}"
