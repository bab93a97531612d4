"""The named parts of a model, as tasks see them: callables and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import nn

from modrack_registry.errors import UserError


class Parts:
    """`parts.model`, `parts.generator`, …: what a model factory returned, by name."""

    def __init__(self, modules: dict[str, nn.Module], wrapped: dict[str, nn.Module] | None = None) -> None:
        self._modules = modules
        self._called = modules | (wrapped or {})

    @classmethod
    def of(cls, made: Any, model: str) -> Parts:
        """From a factory's return value. Raises UserError for anything but a module or a dict of them."""
        if isinstance(made, nn.Module):
            return cls(_sized({"model": made}, model))
        if isinstance(made, dict) and made and all(isinstance(part, nn.Module) for part in made.values()):
            return cls(_sized(dict(made), model))
        raise UserError(
            f"{model} returned {_spoken(made)}, not a torch.nn.Module.",
            "Write `return` and a module, or a dict of named modules.",
        )

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["_called"][name]
        except KeyError:
            raise AttributeError(f"there is no part {name!r}; there is: {', '.join(self._modules)}") from None

    def learning(self, wrapped: dict[str, nn.Module]) -> Parts:
        """The same parts, where those in `wrapped` are called through their wrapper (and others as they are)."""
        return Parts(self._modules, wrapped)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def items(self) -> list[tuple[str, nn.Module]]:
        return list(self._modules.items())

    def modules(self) -> list[nn.Module]:
        return list(self._modules.values())

    def parameters(self) -> list[nn.Parameter]:
        return [parameter for part in self._modules.values() for parameter in part.parameters()]

    @property
    def processor(self) -> Any:
        """What a part carries to turn raw rows into its input: a tokenizer or image processor, or None."""
        return next((part.processor for part in self._modules.values() if hasattr(part, "processor")), None)


def _sized(modules: dict[str, nn.Module], model: str) -> dict[str, nn.Module]:
    # Lazy weights have no size before a batch, and the plan and the optimizer need one before that.
    for part in modules.values():
        for name, weight in part.named_parameters():
            if nn.parameter.is_lazy(weight):
                raise UserError(
                    f"{model} returned a module whose weight {name} has no size yet: its layer is a lazy one.",
                    "Write nn.Linear for nn.LazyLinear and so on, with sizes from data.shape and data.classes.",
                )
    return modules


def _spoken(made: Any) -> str:
    if isinstance(made, type):
        return f"the class {made.__name__} itself"
    name = type(made).__name__
    return "None" if made is None else f"{'an' if name[0] in 'aeiou' else 'a'} {name}"
