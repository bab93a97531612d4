"""The model of a past run, as a teacher: frozen, and shown what the student is shown, in its own form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import modrack

if TYPE_CHECKING:
    from torch import Tensor

    from modrack import Batch, Data, Rows

# What the teacher's own columns are called beside the student's.
_PREFIX = "teacher."


class Teacher:
    """Gives logits (rows, classes) in the student's order of classes.

    Raises UserError for a run that is not there, or was trained on another sort, shape or set of classes.
    """

    def __init__(self, said: str, data: Data, processor: Any) -> None:
        run = modrack.past_run(said)
        if run is None:
            raise modrack.UserError(f"task.teacher={said} names no run.", "Write task.teacher=run:12.")
        facts = modrack.Data.from_dict(run.data)
        _refuse_misfit(f"task.teacher={said}", facts, data)
        model = run.load_model()
        if isinstance(model, dict):
            raise modrack.UserError(f"task.teacher={said}: its model has several parts ({', '.join(model)}).")
        self.model = model.requires_grad_(False).eval()
        self.task = modrack.Task(facts, getattr(model, "processor", None))
        # The student's columns do where they are the same for both: all but tokens of another tokenizer.
        self.own = facts.gives == "text" and not _same_tokens(self.task.processor, processor)
        places = [(facts.classes or []).index(name) for name in data.classes or []]
        self._order = None if places == list(range(len(places))) else places
        self._input = {"text": "input_ids"}.get(facts.gives, facts.gives)

    def encode(self, rows: Rows) -> dict[str, Any]:
        """The columns that it needs of its own."""
        if not self.own:
            return {}
        return {f"{_PREFIX}{self._input}": self.task.encode(rows)[self._input]}

    def watch(self, batch: Batch) -> None:
        """Keep the input as it is before the student prepares it."""
        if not self.own:
            batch[f"{_PREFIX}{self._input}"] = batch[self._input]

    def logits(self, batch: Batch) -> Tensor:
        """Of a batch that was watched; without gradients."""
        import torch

        mine = f"{_PREFIX}{self._input}"
        value = batch[mine]
        kept = mine if self.own else self._input
        lengths = {self._input: batch.lengths[kept]} if kept in batch.lengths else {}
        shown = modrack.Batch({self._input: value}, size=batch.size, rows=batch.rows, lengths=lengths)
        with torch.no_grad():
            self.model.to(value.device)
            made: Tensor = self.task.forward(self.model, self.task.prepare(shown)).float()
        return made if self._order is None else made[:, self._order]


def _refuse_misfit(where: str, facts: Data, data: Data) -> None:
    if facts.gives != data.gives:
        raise modrack.UserError(f"{where} was trained on {facts.gives}; the data give {data.gives}.")
    if facts.target != data.target or set(facts.classes or ()) != set(data.classes or ()):
        few = ", ".join((facts.classes or [facts.target])[:6])
        raise modrack.UserError(
            f"{where} was trained on other classes: {few}.", "Teacher and student learn the same ones."
        )
    if facts.shape != data.shape or facts.inputs != data.inputs or facts.categories != data.categories:
        shapes = ["×".join(map(str, each.shape or ())) for each in (facts, data)]
        raise modrack.UserError(
            f"{where} was trained on rows of another form ({shapes[0]}); the data's is {shapes[1]}."
        )


def _same_tokens(one: Any, other: Any) -> bool:
    if one is None or other is None:
        return one is other
    same: bool = one.get_vocab() == other.get_vocab() and one.model_max_length == other.model_max_length
    return same
