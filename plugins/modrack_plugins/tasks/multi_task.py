"""Several things at once: one body, a head for each target."""

from __future__ import annotations

import copy
from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge, Lt

import modrack
from modrack_plugins.tasks.classification import Classification
from modrack_plugins.tasks.regression import Regression
from modrack_plugins.tasks.token_classification import TokenClassification

if TYPE_CHECKING:
    from torch import Tensor

    from modrack import Batch, Data, Rows, Step


@modrack.task(
    name="multi-task", takes=("image", "text", "tabular", "audio"), target="several", needs="logits",
)  # fmt: skip
class MultiTask(modrack.Task):
    """Several targets of a row: classes, numbers, and of texts a class a word. The model's last layer gives what all of
    them need side by side: linear heads on one body, whose losses are added.

    Each target is learned, measured and told by the task that it would have alone.
    """

    def __init__(
        self,
        data: Data,
        processor: Any,
        *,
        weights: Annotated[list[float] | None, "of the targets' losses, in their order; none: 1 each"] = None,
        label_smoothing: Annotated[float, Ge(0), Lt(1), "share of a target spread over its classes"] = 0.0,
    ) -> None:
        super().__init__(data, processor)
        self.tasks = {name: _alone(facts, processor, label_smoothing) for name, facts in data.targets.items()}
        self.emits = {name: tuple(task.emits) for name, task in self.tasks.items()}
        names = ", ".join(self.tasks)
        if weights is not None and len(weights) != len(self.tasks):
            raise modrack.UserError(
                f"task.weights={weights}: there are {len(self.tasks)} targets ({names}).", "Give one number each."
            )
        if weights is not None and (min(weights) < 0 or max(weights) <= 0):
            raise modrack.UserError(f"task.weights={weights}: a weight is 0 or more, and one at least is more.")
        self.weights = dict(zip(self.tasks, weights or [1.0] * len(self.tasks), strict=True))

    def encode(self, rows: Rows) -> dict[str, Any]:
        """The input, and as `target.NAME` each target; where words have classes, what tells where a word is, too."""
        from modrack.data.encoding import encode_target, target_column

        of_words = {name for name, task in self.tasks.items() if task.data.target == "tokens"}
        if not of_words:
            return super().encode(rows)
        made: dict[str, Any] = {}
        for name, task in self.tasks.items():
            columns = task.encode(rows) if name in of_words else {"target": encode_target(rows, task.data)}
            target = columns.pop("target")
            made |= {**columns, target_column(name): target}
        return made

    def count(self, batch: Batch, phase: str) -> dict[str, Any]:
        """Rows that have each target; of classes a word the words."""
        counts: dict[str, Any] = {}
        for name, task in self.tasks.items():
            known = self._known(batch, name)
            counts[name] = task.count(self._of(batch, name, None), phase) if known is None else known.sum()
        return counts

    def step(self, parts: Any, batch: Batch, phase: str) -> Step:
        import torch

        answers = self._answers(parts, batch)
        losses: dict[str, Tensor] = {}
        outputs: dict[str, Any] = {}
        for name, task in self.tasks.items():
            known = self._known(batch, name)
            made = task.step(answers[name], self._of(batch, name, known), phase)
            loss: Any = made.loss
            # A target that the row lacks was filled in with something; what comes of it is not learned.
            losses[name] = self.weights[name] * (loss.sum() if known is None else torch.where(known, loss, 0).sum())
            outputs[name] = made.outputs
        return modrack.Step(losses, outputs)

    def evaluate(self, parts: Any, batch: Batch) -> Step:
        """The outputs of each target are of the rows that have it."""
        step = super().evaluate(parts, batch)
        for name, outputs in step.outputs.items():
            known = self._known(batch, name)
            if known is not None:
                step.outputs[name] = {key: value[known] for key, value in outputs.items()}
        return step

    def predict(self, parts: Any, batch: Batch) -> dict[str, Any]:
        """Each target by its name: class, number or entities; what else its task tells as `NAME_probability`, say."""
        made: dict[str, Any] = {}
        for name, answer in self._answers(parts, batch).items():
            told = self.tasks[name].predict(answer, batch)
            for at, (key, value) in enumerate(told.items()):
                column = name if at == 0 else f"{name}_{key}"
                # The answer of another target may be called so.
                while at and (column in self.tasks or column in made):
                    column += "_"
                made[column] = value
        return made

    def _of(self, batch: Batch, name: str, known: Tensor | None) -> Batch:
        """The batch as the task of one target knows it, with something in the place of what is not `known`."""
        from modrack.data.encoding import target_column

        one, column = copy.copy(batch), target_column(name)
        target = batch[column]
        one["target"] = target if known is None else target.masked_fill(~known, 0)
        if column in batch.lengths:
            one.lengths = batch.lengths | {"target": batch.lengths[column]}
        return one

    def _known(self, batch: Batch, name: str) -> Tensor | None:
        """Which rows have the target, bool (rows,); None where it is of words, which say themselves what they lack."""
        from modrack.data.encoding import target_column

        target: Tensor = batch[target_column(name)]
        if target.ndim > 1:
            return None
        return ~target.isnan() if target.is_floating_point() else target >= 0

    def _answers(self, parts: Any, batch: Batch) -> dict[str, Any]:
        """For each target a stand-in for the parts, whose model gives what the body has for it."""
        made = self.forward(parts.model, batch)
        # Of texts a model may give numbers for each token, or for the whole, or for both; without a whole the first
        # token stands for it, as in BERT.
        tokens = made["tokens"] if isinstance(made, dict) else made if made.ndim == 3 else None
        whole = made["whole"] if isinstance(made, dict) else made[:, 0] if tokens is not None else made
        sizes = [task.data.outputs for task in self.tasks.values()]
        if whole.shape[-1] != sum(sizes):
            raise modrack.UserError(
                f"The model gives {whole.shape[-1]} numbers a row; the targets have {sum(sizes)} together.",
                "Write data.outputs as the size of its last layer.",
            )
        cut = [each.split(sizes, -1) for each in (whole, whole if tokens is None else tokens)]
        answers = {}
        for at, (name, task) in enumerate(self.tasks.items()):
            answers[name] = _said(cut[task.data.target == "tokens"][at])
        return answers


def _alone(facts: Data, processor: Any, label_smoothing: float) -> modrack.Task:
    """The task that a target would have alone."""
    if facts.target == "number":
        return Regression(facts, processor)
    if facts.target == "tokens":
        return TokenClassification(facts, processor, label_smoothing=label_smoothing)
    return Classification(facts, processor, label_smoothing=label_smoothing)


def _said(answer: Tensor) -> Any:
    return SimpleNamespace(model=lambda *_, **__: answer)
