"""Which column of a table is the input and which the label: by type and name, or as the user says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import modrack

TEXTS = ("text", "sentence", "review", "content", "document", "body", "comment", "message", "title")
LABELS = ("label", "labels", "class", "category", "target", "sentiment", "rating", "tag", "y")


@dataclass(frozen=True)
class Chosen:
    """The input's column (several for a row of numbers), its sort, and the label's column."""

    gives: str
    inputs: tuple[str, ...]
    label: str


def choose(table: Any, where: str, text: str | None, label: str | None) -> Chosen:
    """Choose from an Arrow table. Raises UserError that says which columns there are and how to choose."""
    import pyarrow.types as types

    columns = {name: table.schema.field(name).type for name in table.column_names}
    for option, name in (("text", text), ("label", label)):
        if name is not None and name not in columns:
            raise modrack.UserError(
                f"dataset.{option}={name}: {where} has no such column.", f"Its columns: {_listed(columns)}."
            )
    texts = [
        name
        for name, kind in columns.items()
        if (types.is_string(kind) or types.is_large_string(kind)) and name != label
    ]
    numbers = [
        name for name, kind in columns.items() if (types.is_integer(kind) or types.is_floating(kind)) and name != label
    ]
    found_label = label or _by_name(list(columns), LABELS, without=text)
    input_text = text or _by_name([name for name in texts if name != found_label], TEXTS)
    if input_text is None:
        left = [name for name in texts if name != found_label]
        input_text = left[0] if len(left) == 1 else None
    if found_label is None:
        # Of two columns, the one that is not the text.
        left = [name for name in columns if name != input_text]
        found_label = left[0] if input_text is not None and len(left) == 1 else None
    if found_label is None:
        raise modrack.UserError(
            f"{where}: which column is the label?", f"Say dataset.label=NAME; the columns: {_listed(columns)}."
        )
    if input_text is not None:
        return Chosen("text", (input_text,), found_label)
    rest = tuple(name for name in numbers if name != found_label)
    if rest and not [name for name in texts if name != found_label]:
        return Chosen("tabular", rest, found_label)
    raise modrack.UserError(
        f"{where}: which column is the text?", f"Say dataset.text=NAME; the columns: {_listed(columns)}."
    )


def _by_name(names: list[str], usual: tuple[str, ...], without: str | None = None) -> str | None:
    low = {name.lower(): name for name in names if name != without}
    return next((low[each] for each in usual if each in low), None)


def _listed(columns: dict[str, Any]) -> str:
    return ", ".join(f"{name} ({kind})" for name, kind in columns.items())
