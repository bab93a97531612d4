"""How an author declares a component: one decorator a kind, with or without parentheses."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar, overload

from modrack_registry.component import Mark

Factory = TypeVar("Factory", bound=Callable[..., Any])
Sorts = str | tuple[str, ...] | None


class Decorator(Protocol):
    """What every kind's decorator is: usable bare, or called with facts first."""

    @overload
    def __call__(self, factory: Factory, /) -> Factory: ...
    @overload
    def __call__(
        self,
        /,
        *,
        name: str | None = None,
        version: str | None = None,
        example: Mapping[str, Any] | None = None,
        **facts: Any,
    ) -> Callable[[Factory], Factory]: ...


def component(kind: str) -> Decorator:
    """The decorator of a kind; `modrack.component("sampler")` is how a plugin makes one for its own kind."""

    def decorate(
        factory: Any = None,
        /,
        *,
        name: str | None = None,
        version: str | None = None,
        example: Mapping[str, Any] | None = None,
        **facts: Any,
    ) -> Any:
        def mark(target: Factory) -> Factory:
            marked: Any = target
            marked.__modrack__ = Mark(
                kind=kind,
                name=name or _spelled(target.__name__),
                version=version,
                example=dict(example or {}),
                facts={key: (value,) if isinstance(value, str) else value for key, value in facts.items()},
            )
            return target

        return mark if factory is None else mark(factory)

    decorate.__name__ = decorate.__qualname__ = kind
    decorate.__doc__ = f"Declare a {kind}."
    return decorate


model = component("model")
dataset = component("dataset")
optimizer = component("optimizer")
scheduler = component("scheduler")
metric = component("metric")
task = component("task")
callback = component("callback")
exporter = component("exporter")


def _spelled(name: str) -> str:
    """A Python name as a component's: `my_net` and `MyNet` are both my-net."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).replace("_", "-").lower()
