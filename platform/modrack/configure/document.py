"""Reading an experiment's content: a TOML file, a plugin's defaults, a stored run, Python keywords."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from modrack.configure.layer import Given, Layer, Pick, has_parts
from modrack.configure.lines import find_lines
from modrack.configure.settings import settings_options
from modrack.configure.words import read_path
from modrack_registry.errors import UserError
from modrack_registry.kinds import Kind


def read_file(file: Path, kinds: Mapping[str, Kind]) -> Layer:
    """The layer that an experiment file makes. Raises UserError where it is no TOML."""
    try:
        text = file.read_text("utf-8-sig")
        content = tomllib.loads(text)
    except FileNotFoundError:
        raise UserError(
            f"There is no file {file}.", "Give an experiment file, or words as in model.width=64."
        ) from None
    except UnicodeDecodeError as error:
        raise UserError(f"{file}: not UTF-8 (byte {error.start}).", "Save it as UTF-8.") from None
    except tomllib.TOMLDecodeError as error:
        said = str(error)
        line = said.partition("(at line ")[2].partition(",")[0]
        at = f"{file}:{line}" if line else f"{file}:{len(text.splitlines())}"
        raise UserError(f"{at}: not TOML: {said}.", "Write key = value lines; words stand in quotes.") from None
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror or error}.") from None
    return Document(kinds, str(file), find_lines(text)).read(content)


class Document:
    """Turns an experiment's content, as nested tables, into a layer. `lines` holds the line of each path, if known."""

    def __init__(
        self, kinds: Mapping[str, Kind], origin: str, lines: Mapping[tuple[str | int, ...], int] | None = None
    ):
        self.kinds = kinds
        self.lines = lines or {}
        self.layer = Layer(origin, named=True)

    def read(self, content: Mapping[str, Any]) -> Layer:
        """The layer of `content`; what cannot be read becomes its mistakes."""
        settings = settings_options()
        groups = {path.partition(".")[0] for path in settings if "." in path}
        for key, value in content.items():
            if key in self.kinds:
                self._kind(self.kinds[key], value)
            elif key in settings or (key in groups and isinstance(value, Mapping)):
                for path, leaf in _leaves(key, value):
                    self._leaf(path, leaf)
            elif "." in key:
                self._leaf((key,), value)
            else:
                origin = self._origin((key,))
                self.layer.unknown.append(Given(key, value, False, origin, f"{origin}: {key}"))
        return self.layer

    def _kind(self, kind: Kind, value: Any) -> None:
        if not kind.many and isinstance(value, (str, Mapping)):
            self._table(kind, (kind.name,), value)
        elif kind.many and isinstance(value, (str, list, tuple, Mapping)):
            self.layer.picks[kind.name] = []
            several = isinstance(value, (list, tuple))
            for index, each in enumerate(value if several else [value]):
                at = (kind.name, index) if several else (kind.name,)
                if isinstance(each, (str, Mapping)):
                    self._table(kind, at, each)
                else:
                    self._mistake(at, f"{each!r} is no {kind.name}.", f'Write [[{kind.name}]] use = "NAME".')
        elif value is not None:
            hint = (
                f'Write [{kind.name}] use = "NAME".' if isinstance(value, (list, tuple)) else f'{kind.name} = "NAME".'
            )
            self._mistake((kind.name,), f"{value!r} is no {kind.name}.", hint)

    def _table(self, kind: Kind, at: tuple[str | int, ...], table: str | Mapping[str, Any]) -> None:
        """A component's name, or its table with `use` and options."""
        use = table if isinstance(table, str) else table.get("use")
        place = at if isinstance(table, str) else (*at, "use")
        if use is not None and not isinstance(use, str):
            self._mistake(place, f"{use!r} is no name of a {kind.name}.", 'Write use = "NAME".')
            return
        if use is None and kind.many:
            self._mistake(at, f"{kind.name} without a name.", f'Write [[{kind.name}]] use = "NAME".')
            return
        if use is not None:
            picks = self.layer.picks.setdefault(kind.name, [])
            if any(pick.name == use for pick in picks):
                self._mistake(place, f"the {kind.name} {use} is there twice.", "Say it once.")
                return
            picks.append(Pick(use, self._origin(place), f"{self._origin(place)}: {kind.name} = {use!r}"))
        if isinstance(table, str):
            return
        for key, value in table.items():
            if key == "use":
                continue
            if has_parts(kind) and isinstance(value, Mapping):
                for name, leaf in value.items():
                    where = (*at, key, name)
                    self._option(kind, where, f"{kind.name}.{key}.{name}", name, leaf, owner=value.get("use"), part=key)
            else:
                said = f"{kind.name}.{use}.{key}" if kind.many else f"{kind.name}.{key}"
                self._option(kind, (*at, key), said, key, value, owner=use)

    def _option(
        self,
        kind: Kind,
        at: tuple[str | int, ...],
        said: str,
        name: str,
        value: Any,
        owner: str | None,
        part: str | None = None,
    ) -> None:
        text, value = _plain(value)
        origin = self._origin(at)
        self.layer.add(kind, Given(name, value, text, origin, f"{origin}: {said}", owner=owner, part=part))

    def _leaf(self, at: tuple[str, ...], value: Any) -> None:
        path = ".".join(at)
        origin = self._origin(at)
        text, value = _plain(value)
        read_path(path, value, text, self.layer, self.kinds, origin, f"{origin}: {path}")

    def _origin(self, at: tuple[str | int, ...]) -> str:
        # A key may stand in an inline table, whose line is the one of the table.
        while at:
            if at in self.lines:
                return f"{self.layer.origin}:{self.lines[at]}"
            at = at[:-1]
        return self.layer.origin

    def _mistake(self, at: tuple[str | int, ...], message: str, hint: str) -> None:
        self.layer.mistakes.append(UserError(f"{self._origin(at)}: {message}", hint))


def _leaves(key: str, value: Any) -> list[tuple[tuple[str, ...], Any]]:
    if isinstance(value, Mapping):
        return [((key, *path), leaf) for each in value for path, leaf in _leaves(each, value[each])]
    return [((key,), value)]


def _plain(value: Any) -> tuple[bool, Any]:
    """(whether it counts as typed, the value). TOML has no null: the word "none" is read as it is when typed."""
    if isinstance(value, os.PathLike):
        return False, os.fspath(value)
    if isinstance(value, str) and value == "none":
        return True, value
    return False, value
