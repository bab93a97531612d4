"""One experiment, resolved: every component, option and setting, and where each came from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from modrack.configure.settings import Settings, path_of, settings_options
from modrack.configure.toml import write_toml
from modrack_registry.component import Component
from modrack_registry.errors import UserError
from modrack_registry.registry import Registry

if TYPE_CHECKING:
    from modrack.configure.resolve import Sources


@dataclass(frozen=True)
class Choice:
    """A chosen component with all its options, checked. `part` names the one part of the model that it is for."""

    component: Component
    options: dict[str, Any]
    part: str | None = None

    @property
    def prefix(self) -> str:
        """What stands before an option's name in a path: `model.`, `metric.f1.`, `optimizer.generator.`."""
        kind = self.component.kind
        middle = self.component.name if kind.many else self.part
        return f"{kind.name}.{middle}." if middle else f"{kind.name}."


@dataclass
class Experiment:
    """What is to be run. `origins` says for each path who decided it; `notes` are remarks for the user."""

    registry: Registry
    choices: dict[str, list[Choice]]
    settings: Settings
    origins: dict[str, str]
    notes: list[str] = field(default_factory=list)
    sources: Sources | None = None

    def one(self, kind: str) -> Choice | None:
        """The chosen component of a kind, for all parts; None where nothing is chosen."""
        return next((each for each in self.choices.get(kind, ()) if each.part is None), None)

    def needed(self, kind: str) -> Choice:
        """The chosen component of a kind. Raises UserError where nothing is chosen."""
        choice = self.one(kind)
        if choice is None:
            raise UserError(f"No {kind} is chosen.", f"Say --{kind} NAME; `modrack list {kind}` shows them.")
        return choice

    def many(self, kind: str) -> list[Choice]:
        """All choices of a kind, those for single parts too."""
        return list(self.choices.get(kind, ()))

    def choose(self, kind: str, name: str) -> Choice:
        """Choose a component from the data, where the user named none. Raises UserError.

        What was said about its options is checked now, and defaults that hang on it (`when`) come into force:
        other choices and settings that stand on defaults may change with it.
        """
        already = self.one(kind)
        if already is None:
            if self.sources is None:
                raise UserError(f"The {kind} {name} cannot be chosen any more.")
            self.sources.asked.picked[kind] = name
            try:
                again = self.sources.resolve()
            except UserError:
                del self.sources.asked.picked[kind]
                raise
            self.choices, self.settings = again.choices, again.settings
            self.origins, self.notes = again.origins, again.notes
            already = self.one(kind)
            assert already is not None
        return already

    def params(self) -> dict[str, Any]:
        """Every setting and option by its path, as plain data: `epochs`, `model.width`, `metric.f1.average`."""
        settings = {path: _plain(value) for path, value in self._settings().items()}
        return settings | {
            f"{choice.prefix}{name}": _plain(value)
            for choices in self.choices.values()
            for choice in choices
            for name, value in choice.options.items()
        }

    def as_dict(self) -> dict[str, Any]:
        """The content of an experiment file that says everything, JSON-able; None stands for none."""
        content: dict[str, Any] = {}
        for path, value in self._settings().items():
            group, dot, rest = path.partition(".")
            if dot:
                content.setdefault(group, {})[rest] = _plain(value)
            else:
                content[path] = _plain(value)
        for kind, choices in self.choices.items():
            tables = [(each.part, {"use": each.component.full, **_plain(each.options)}) for each in choices]
            if self.registry.kinds[kind].many:
                content[kind] = [table for _, table in tables]
                continue
            for part, table in tables:
                if part is None:
                    content[kind] = table
                else:
                    content[kind][part] = table
        return content

    def as_toml(self) -> str:
        """The same as an experiment file, each value with a comment that says where it came from."""
        lines = write_toml(self._settings(), self.origins, "")
        for kind, choices in self.choices.items():
            many = self.registry.kinds[kind].many
            for choice in choices:
                inner = f"{kind}.{choice.part}" if choice.part else kind
                whole = f"{kind}.{choice.component.name}" if many else inner
                lines += ["", f"[[{kind}]]" if many else f"[{inner}]"]
                values = {"use": choice.component.full, **choice.options}
                chosen = self.origins.get(whole, self.origins.get(kind, ""))
                origins = {**self.origins, f"{choice.prefix}use": chosen}
                lines += write_toml(values, origins, choice.prefix)
        return "\n".join(lines) + "\n"

    def _settings(self) -> dict[str, Any]:
        values = {path_of(name): value for name, value in vars(self.settings).items()}
        return {path: values[path] for path in settings_options()}


def _plain(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    return value
