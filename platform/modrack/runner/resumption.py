"""Going on with a run that was stopped, from its newest whole checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from modrack.configure.experiment import Experiment
from modrack.configure.resolve import resolve
from modrack.past import looking_in
from modrack.runner.build import build
from modrack.runner.checkpoint import damage
from modrack.runner.engine import joined
from modrack.runner.kernels import kernels_kept
from modrack.runner.report import Reporter, Silent
from modrack.runner.rig import Rig
from modrack.runner.session import carry_out
from modrack_registry.errors import UserError
from modrack_registry.registry import load_registry
from modrack_registry.store import Run, open_store


def resume(
    run_id: int,
    *,
    home: Path | None = None,
    checkpoint: Path | None = None,
    allow_changes: bool = False,
    report: Reporter | None = None,
) -> Run | None:
    """Train run `run_id` to its end, as if it had never been stopped. It keeps its number and folder.

    Raises UserError for a run that is finished or running, that has no whole checkpoint, or whose components or rows
    are not what they were (unless `allow_changes`).
    """
    report = report or Silent()
    store = open_store(home)
    past = store.get(run_id)
    if past.status in ("finished", "running"):
        raise UserError(
            f"Run {run_id} is {past.status}.", f"A new run of the same: modrack train {past.folder / 'experiment.toml'}"
        )
    registry = load_registry(sorted((past.folder / "plugins").rglob("*.py")))
    experiment = resolve(registry, file=past.config, environment={})
    place = checkpoint or _newest_whole(past.folder, report)
    wrong = damage(place)
    if wrong:
        raise UserError(f"{place}: {wrong}.", "Leave --checkpoint out to take the newest whole one.")
    with looking_in(store.home), kernels_kept(), joined(experiment.settings.device) as engine:
        rig = build(experiment, engine, restore=place, before=past.plan)
        changes = component_changes(past, experiment)
        if "digests" in past.data:  # Runs from before they were kept cannot be compared.
            changes += data_changes(past, rig)
        if changes and not allow_changes:
            hint = "--allow-changes goes on all the same."
            raise UserError(f"Run {run_id} was begun with others:\n" + "\n".join(changes), hint)
        for change in changes if engine.main else ():
            report.note(f"changed since run {run_id} was begun: {change.strip()}")
        shared_otherwise = layout_change(past.plan or {}, rig.plan.as_dict())
        if shared_otherwise and engine.main:
            report.note(f"run {run_id} {shared_otherwise}")
        return carry_out(store, store.attach(run_id) if engine.main else None, rig, report, place)


def component_changes(past: Run, experiment: Experiment) -> list[str]:
    """In words, which components differ from those the run was started with."""
    before = {(each["kind"], each["full"]): each for each in past.components}
    changes = []
    for kind, choices in experiment.choices.items():
        for choice in choices:
            component = choice.component
            was = before.get((kind, component.full))
            if was is not None and was["version"] != component.version:
                changes.append(f"  {kind} {component.full} was version {was['version']}, is {component.version}")
            elif was is not None and was["digest"] != component.digest:
                changes.append(f"  {kind} {component.full} was changed ({component.file})")
    return changes


def data_changes(past: Run, rig: Rig) -> list[str]:
    """In words, of which splits the rows are not those that the run was begun with. Of a stream nothing is known."""
    before = past.data.get("digests") or {}
    return [
        f"  the rows of {split} are not the same"
        for split in sorted({*before, *rig.digests})
        if before.get(split) != rig.digests.get(split)
    ]


def layout_change(before: Mapping[str, Any], now: Mapping[str, Any]) -> str | None:
    """In words, that other processes go on than those that were stopped, given both plans; None where none do."""
    if "processes" not in before:
        return None  # A run that was started before plans said so.
    was, will = (_layout(plan) for plan in (before, now))
    if was == will:
        return None
    return (
        f"was trained by {was} and goes on with {will}: sums are added in another order, and dropout draws other "
        "noise, so it will not end with the same bits"
    )


def _layout(plan: Mapping[str, Any]) -> str:
    number, how = plan["processes"]["value"], plan["parallel"]["value"]
    if number == 1:
        return "1 process"
    return f"{number} processes ({how if isinstance(how, str) else ', '.join(f'{k}: {v}' for k, v in how.items())})"


def _newest_whole(folder: Path, report: Reporter) -> Path:
    """The newest checkpoint that is as it was written; says which ones are not."""
    found = sorted((folder / "checkpoints").glob("step-*"), reverse=True)
    for place in found:
        wrong = damage(place)
        if wrong is None:
            return place
        report.note(f"{place.name} is damaged ({wrong}); going back to the one before")
    raise UserError(
        f"There is no {'whole ' if found else ''}checkpoint in {folder / 'checkpoints'}.",
        f"Start it again: modrack train {folder / 'experiment.toml'}",
    )
