"""The model of a past run, measured again: on its own data or on others that it fits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modrack.configure.experiment import Experiment
from modrack.configure.resolve import resolve
from modrack.data.conform import conform
from modrack.data.facts import derive
from modrack.data.splits import NAMES
from modrack.runner.encode import encode_split
from modrack.runner.evaluate import Measured, evaluate
from modrack.runner.feeder import Feeder
from modrack.runner.fit import sorts
from modrack.runner.measures import choose_measures
from modrack.runner.prediction import is_of_task, read_settings
from modrack.runner.ready import Ready, make_ready
from modrack.runner.steps import evaluation_batch
from modrack_registry.errors import UserError
from modrack_registry.registry import load_registry
from modrack_registry.store import Run

# What may be said of an evaluation; all else was decided when the model was trained.
KINDS = ("dataset", "metric")
SETTINGS = ("limit", "split_seed", "evaluation_batch_size", "device")


@dataclass
class Remeasured:
    """`rows` of which split of which dataset, and what came out. `notes` are remarks for the user."""

    run: int
    checkpoint: str
    dataset: str
    split: str
    rows: int
    measured: Measured
    notes: list[str]


def remeasure(
    run: Run,
    *,
    dataset: str | None = None,
    metrics: Iterable[str] = (),
    words: Iterable[str] = (),
    split: str = "test",
    checkpoint: str = "best",
    plugins: Iterable[str | Path] = (),
) -> Remeasured:
    """Measure `run`'s model on `split` of its own dataset or of another, with its own metrics or with others.

    `words` are options of the dataset, the metrics and the task, and the few settings that matter. Nothing is
    recorded. Raises UserError for data that are not of the sort, size or classes that the model was trained on.
    """
    words = list(words)
    _refuse_words(run, words)
    # They hold instead of the run's; the others belong to what is measured on.
    of_task = [word for word in words if word.startswith("task.")]
    words = [word for word in words if word not in of_task]
    kept = sorted((run.folder / "plugins").rglob("*.py"))
    # A file that is brought along wins over what the run kept of the same name.
    brought = {Path(each).stem for each in plugins}
    registry = load_registry([*plugins, *(each for each in kept if each.stem not in brought)])
    flags = {"dataset": [dataset] if dataset else [], "metric": list(metrics)}
    experiment = resolve(
        registry,
        file=run.config,
        choices={kind: names for kind, names in flags.items() if names},
        words=words,
        environment={},
    )
    values = read_settings(of_task)
    ready = make_ready(run, checkpoint=checkpoint, device=experiment.settings.device, values=values)
    task = ready.experiment.needed("task")
    measures = choose_measures(experiment, ready.task, task.component, ready.data)
    other = dataset is not None or any(word.startswith("dataset.") for word in words)
    rows, used, notes = _rows(experiment, ready, split, other)
    encoded = encode_split(rows, ready.task)
    # An option of the task may have changed what it makes of the same rows.
    if not (other or of_task) and experiment.settings.limit == ready.experiment.settings.limit:
        digests = run.data.get("digests") or {}
        if split in digests and digests[split] != encoded.digest():
            notes.append(f"the rows of {split} are not those that run {run.id} saw")
    feeder = Feeder(
        encoded,
        batch_size=evaluation_batch(experiment),
        device=ready.device,
        resident=False,
        seed=ready.experiment.settings.seed,
    )
    measured = evaluate(
        ready.parts,
        ready.task,
        feeder,
        measures,
        autocast=ready.autocast,
        seed=ready.experiment.settings.seed,
    )
    assert measured is not None  # Nobody asked it to stop.
    return Remeasured(
        run.id, checkpoint, experiment.needed("dataset").component.name, used, encoded.size, measured, notes
    )


def _rows(experiment: Experiment, ready: Ready, split: str, other: bool) -> tuple[Any, str, list[str]]:
    """The rows to measure on, in the form that the model was trained on; what to call them; remarks."""
    choice, settings = experiment.one("dataset"), experiment.settings
    if choice is None:
        raise UserError(f"Run {ready.run.id} has no dataset.", "Say --dataset NAME.")
    component = choice.component
    made, used = component.make({"like": ready.data if other else None}, choice.options), split
    if other:
        rows, used = _of_others(made, split)
        # The same rows as every split: nothing is to be cut from them.
        made = dict.fromkeys(NAMES, rows)
    declared = sorts(component, "gives")
    data, splits = derive(
        made,
        name=component.full,
        file=component.file,
        gives=(ready.data.gives,) if ready.data.gives in declared else declared,
        target=component.facts.get("target"),
        split_seed=settings.split_seed,
        validation_share=settings.validation_share,
        limit=settings.limit,
    )
    rows, notes = conform(splits[split], data, ready.data, f"dataset {component.name}", f"run {ready.run.id}")
    return rows, used, notes


def _of_others(made: Any, split: str) -> tuple[Any, str]:
    """The split of other data; where they have none of that name, all rows: nothing of them was learned from."""
    if not isinstance(made, dict):
        return made, "all rows"
    return (made[split], split) if split in made or "train" not in made else (made["train"], "all rows")


def _refuse_words(run: Run, words: list[str]) -> None:
    mistakes = []
    for word in words:
        path, sign, _ = word.partition("=")
        if is_of_task(path) and not sign:
            mistakes.append(UserError(f"{word}: there is no value.", f"Write {word}=VALUE."))
            continue
        if path.partition(".")[0] not in KINDS and path not in SETTINGS and not is_of_task(path):
            mistakes.append(
                UserError(
                    f"{word}: run {run.id} is measured as it was trained.",
                    f"What can be said: dataset.…=, metric.…=, task.…=, {', '.join(f'{each}=' for each in SETTINGS)}.",
                )
            )
    if mistakes:
        raise UserError.collect(mistakes)
