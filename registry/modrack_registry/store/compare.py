"""In what runs differ."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from modrack_registry.store.run import Run

# Facts of a machine that differ without a reason.
_FLEETING = ("host_memory",)


@dataclass(frozen=True)
class Row:
    """A name and its value in each run (None where it has none); `best` are the places of the best ones."""

    name: str
    values: tuple[Any, ...]
    best: tuple[int, ...] = ()


@dataclass(frozen=True)
class Comparison:
    """Only what differs: `params` by path, then `metrics`; `same` counts the params that do not differ."""

    runs: tuple[int, ...]
    params: list[Row]
    metrics: list[Row]
    same: int

    def as_dict(self) -> dict[str, Any]:
        """As plain data: values by run number, best ones as a list of run numbers."""
        return {
            "runs": list(self.runs),
            "params": {row.name: dict(zip(map(str, self.runs), row.values, strict=True)) for row in self.params},
            "metrics": {row.name: dict(zip(map(str, self.runs), row.values, strict=True)) for row in self.metrics},
            "best": {row.name: [self.runs[place] for place in row.best] for row in self.metrics},
        }


def compare(runs: Sequence[Run], better: Mapping[str, str]) -> Comparison:
    """In which params and metrics the runs differ; `better` says the good direction of metrics, where it is known."""
    paths = dict.fromkeys(path for run in runs for path in run.params)
    rows = [Row(path, tuple(run.params.get(path) for run in runs)) for path in paths]
    params = [row for row in rows if _differ(row.values)]
    names = dict.fromkeys(name for run in runs for name in run.metrics)
    order = sorted(names, key=lambda name: ("test.", "validation.", "train.").index(_split(name)))
    metrics = []
    for name in order:
        values = tuple(run.metrics.get(name) for run in runs)
        if _differ(values):
            metrics.append(Row(name, values, _best(values, better.get(name))))
    return Comparison(tuple(run.id for run in runs), params, metrics, len(rows) - len(params))


@dataclass(frozen=True)
class Change:
    """Something that is not the same in two runs: what it belongs to, its name, and both values."""

    section: str
    name: str
    before: Any
    after: Any


def changes(first: Run, second: Run) -> list[Change]:
    """Everything in which two runs differ, by section: configuration, data, parts, code, packages, plan, machine."""
    found = _between("configuration", first.params, second.params)
    found += _between("data", _flat(first.data), _flat(second.data))
    found += _between("parts", _parts(first), _parts(second))
    found += _between("code", _code(first), _code(second))
    found += _between("packages", first.packages, second.packages)
    found += _between("plan", _decisions(first), _decisions(second))
    found += _between("machine", _machine(first), _machine(second))
    return found


def code_difference(first: Run, second: Run) -> list[str]:
    """The lines in which the uncommitted changes of two runs differ, as a unified diff of their diffs."""
    before, after = ((run.git or {}).get("diff") or "" for run in (first, second))
    return list(
        difflib.unified_diff(
            before.splitlines(), after.splitlines(), f"run {first.id}", f"run {second.id}", lineterm="", n=1
        )
    )


def _between(section: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    return [
        Change(section, name, before.get(name), after.get(name))
        for name in dict.fromkeys([*before, *after])
        if not _same(before.get(name), after.get(name))
    ]


def _parts(run: Run) -> dict[str, str]:
    parts: dict[str, str] = {}
    for part in run.components:
        name, place = part["kind"], 2
        while name in parts:
            name, place = f"{part['kind']} {place}", place + 1
        version = f" {part['version']}" if part["version"] else ""
        digest = f" ({part['digest'][:12]})" if part["digest"] else ""
        parts[name] = f"{part['full']}{version}{digest}"
    return parts


def _code(run: Run) -> dict[str, Any]:
    git = run.git or {}
    # Of the diff itself only whether it is the same: `code_difference` has its lines.
    return {"commit": git.get("commit"), "uncommitted changes": git.get("diff")}


def _decisions(run: Run) -> dict[str, Any]:
    return {name: each["value"] for name, each in (run.plan or {}).items()}


def _machine(run: Run) -> dict[str, Any]:
    return {name: value for name, value in _flat(run.hardware).items() if name not in _FLEETING}


def _flat(facts: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in facts.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value
    return flat


def _differ(values: Sequence[Any]) -> bool:
    return any(not _same(values[0], value) for value in values[1:])


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float) and math.isnan(one) and math.isnan(other):
        return True
    # True == 1 in Python, and yet they are not the same option.
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def _best(values: Sequence[float | None], better: str | None) -> tuple[int, ...]:
    real = [value for value in values if value is not None and not math.isnan(value)]
    if better not in ("higher", "lower") or not real:
        return ()
    best = max(real) if better == "higher" else min(real)
    return tuple(place for place, value in enumerate(values) if value == best)


def _split(name: str) -> str:
    return next((split for split in ("test.", "validation.") if name.startswith(split)), "train.")
