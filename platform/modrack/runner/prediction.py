"""Asking a trained model: rows in, answers out, in order and as they come."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from modrack.data.casting import Casting
from modrack.data.given import Columns, read_given
from modrack.data.rows import chunks
from modrack.data.sounds import as_dataset
from modrack.runner.encode import encode_rows
from modrack.runner.evaluate import forked_rng, seed_all
from modrack.runner.feeder import Feeder
from modrack.runner.noise import mix
from modrack.runner.ready import Ready, make_ready
from modrack.runner.steps import evaluation_batch
from modrack_registry.errors import UserError
from modrack_registry.store import Run

Row = tuple[str, Any]  # what it is called, what its column holds

# Batches of texts that are sorted by length together.
TOGETHER = 8


@dataclass(frozen=True)
class Answer:
    """What a model says of one row: `values` by name, as its task decodes them; `input` is what the row is called.

    Values are plain data, or images of Pillow.
    """

    input: str
    values: dict[str, Any]


def predict_given(
    ready: Ready,
    inputs: Iterable[Any],
    *,
    column: str | None = None,
    stdin: Iterable[str] | None = None,
    at_once: int | None = None,
    note: Callable[[str], None] = lambda text: None,
) -> Iterator[list[Answer]]:
    """Answers to `inputs`, some at a time and in order; no more than these rows are held.

    `column` names the input of a table; `at_once` is how many rows are answered together. Raises UserError for an
    input that cannot be a row, when its turn comes, and for a task that does not predict.
    """
    params = ready.run.params
    usual = [params.get(f"dataset.{ready.data.gives}"), ready.data.input]
    labels = [params.get("dataset.label"), ready.data.label, "label"]
    columns = Columns(
        column,
        tuple(str(each) for each in usual if each),
        tuple(str(each) for each in labels if each),
        params.get("dataset.delimiter"),
    )
    casting = Casting(ready.data, note)
    size = evaluation_batch(ready.experiment)
    seen = 0
    given = ((each.name, casting(each.value, each.name)) for each in read_given(inputs, ready.data, columns, stdin))
    while block := _some(given, at_once or size * (TOGETHER if ready.data.shape is None else 1)):
        rows, error = block
        if rows:
            made = _answers(ready, casting.feature, [value for _, value in rows], size, seen)
            seen += len(rows)
            yield [Answer(name, values) for (name, _), values in zip(rows, made, strict=True)]
        if error is not None:
            raise error


def _some(given: Iterator[Row], size: int) -> tuple[list[Row], UserError | None] | None:
    """The next rows, and the mistake that ended them: what came before it is answered first. None at the end."""
    rows: list[Row] = []
    try:
        for row in itertools.islice(given, size):
            rows.append(row)  # noqa: PERF402 - what was read before a mistake is kept.
    except UserError as error:
        return rows, error
    return (rows, None) if rows else None


def _answers(ready: Ready, feature: Any, values: list[Any], size: int, seen: int) -> list[dict[str, Any]]:
    from datasets import Features

    task, column = ready.task, ready.data.input
    table = as_dataset({column: values}, Features({column: feature}))
    rows = next(chunks(table, len(table)))
    feeder = Feeder(encode_rows(rows, task), batch_size=size, device=ready.device, resident=False)
    made: list[dict[str, Any]] = [{} for _ in values]
    with torch.inference_mode(), forked_rng(ready.device), ready.autocast:
        seed_all(mix(ready.experiment.settings.seed, -1, seen), ready.device)
        for batch in feeder.once():
            # Its own place among all rows, and so its own noise.
            batch.place += seen
            places = batch.rows.tolist()
            try:
                answer = task.predict(ready.parts, task.prepare(batch))
            except NotImplementedError:
                name = ready.run.task or type(task).__name__
                raise UserError(f"Task {name} does not predict.", "Its metrics: modrack evaluate RUN.") from None
            for name, entries in answer.items():
                for place, value in zip(places, _listed(entries), strict=True):
                    made[place][name] = value
    return made


def _listed(entries: Any) -> list[Any]:
    """One plain entry a row, of tensors and arrays too."""
    if isinstance(entries, (torch.Tensor, np.ndarray)):
        listed: list[Any] = entries.tolist()
        return listed
    return [each.tolist() if isinstance(each, (torch.Tensor, np.ndarray)) else each for each in entries]


def read_settings(words: Iterable[str]) -> dict[str, str]:
    """`task.temperature=0.8` as {path: value}. Raises UserError for what was settled when the model was trained."""
    values, mistakes = {}, []
    for word in words:
        path, sign, value = word.partition("=")
        if sign and (is_of_task(path) or path == "seed"):
            values[path] = value
        else:
            mistakes.append(
                UserError(f"--set {word}: a model is asked as it was trained.", "What can be set: task.…=, seed=.")
            )
    if mistakes:
        raise UserError.collect(mistakes)
    return values


def is_of_task(path: str) -> bool:
    """Whether a path is an option of the task; which task it is was settled when the model was trained."""
    return path.startswith("task.") and path != "task.use"


def predict(
    run: Run, inputs: Any, checkpoint: str = "best", column: str | None = None, options: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """For `Run.predict`: one dict a row; `inputs` are values, texts, or paths of files, or one of them alone."""
    several = inputs if isinstance(inputs, (list, tuple)) else [inputs]
    values = read_settings(f"{path}={value}" for path, value in (options or {}).items())
    ready = make_ready(run, checkpoint=checkpoint, values=values)
    return [answer.values for some in predict_given(ready, several, column=column) for answer in some]
