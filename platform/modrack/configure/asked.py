"""What the user asked for, over all layers from file to command line, the defaults left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from modrack.configure.layer import Given, Layer, Pick
from modrack_registry.component import Component


@dataclass
class Asked:
    """The layers of one request, weakest first. `picked` are components that the runner chose from the data."""

    layers: list[Layer]
    picked: dict[str, str] = field(default_factory=dict)

    def picks(self, kind: str) -> list[Pick] | None:
        """What the last layer that names components of `kind` names; None where nobody does."""
        for layer in reversed(self.layers):
            if kind in layer.picks:
                return layer.picks[kind]
        if kind in self.picked:
            return [Pick(self.picked[kind], "chosen from the data", f"{kind}, chosen from the data")]
        return None

    def part_picks(self, kind: str) -> dict[str, Pick]:
        """{part: component} for the parts of the model that have one of their own."""
        return {part: pick for layer in self.layers for (of, part), pick in layer.part_picks.items() if of == kind}

    def setting(self, path: str) -> Given | None:
        """The last word on a setting."""
        return next((layer.settings[path] for layer in reversed(self.layers) if path in layer.settings), None)

    def options(self, kind: str) -> list[tuple[Given, bool]]:
        """All that is said about options of `kind`, in order, and whether a later layer chose components anew."""
        return [
            (given, any(kind in later.picks for later in self.layers[index + 1 :]))
            for index, layer in enumerate(self.layers)
            for given in layer.options.get(kind, ())
        ]

    def about(self, component: Component, default: Sequence[Pick]) -> tuple[list[Given], list[tuple[Given, str]]]:
        """What is said about `component`, and what was said for another that it replaced, with that one's name.

        `default` is what stands where no layer names a component. Words and the environment name none: they are
        about the component that is chosen in the end.
        """
        kind = component.kind
        kept: list[Given] = []
        dropped: list[tuple[Given, str]] = []
        current = next((pick.name for pick in default), "")
        for index, layer in enumerate(self.layers):
            if layer.picks.get(kind.name):
                current = layer.picks[kind.name][0].name
            replaced = layer.named and any(kind.name in later.picks for later in self.layers[index + 1 :])
            for given in layer.options.get(kind.name, ()):
                if kind.many:
                    kept += [given] if is_named(component, given.owner) else []
                elif given.part is None and replaced and not is_named(component, current):
                    dropped.append((given, current))
                else:
                    kept.append(given)
        return kept, dropped


def is_named(component: Component, name: str | None) -> bool:
    """Whether `name` is the component's bare or full name."""
    return name in (component.name, component.full)
