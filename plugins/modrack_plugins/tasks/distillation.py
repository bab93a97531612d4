"""Classification with a teacher: a past run's model whose doubts are learned too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge, Gt, Le

import modrack
from modrack_plugins.tasks.classification import Classification

if TYPE_CHECKING:
    from torch import Tensor

    from modrack import Batch, Data, Rows, Step
    from modrack_plugins.tasks.teacher import Teacher


@modrack.task(takes=("image", "text", "tabular", "audio"), target=("class", "classes"), needs="logits")
class Distillation(Classification):
    """Learns from a past run's model beside the labels: its probabilities, softened (Hinton et al., arXiv 1503.02531).

    The loss is (1 - alpha) · that of classification + alpha · T² · KL(teacher ‖ student), both softened by T; T² keeps
    the two of one size whatever T is. Evaluation is classification's, so that runs with and without a teacher compare,
    and needs no teacher; nor does the trained model.
    """

    def __init__(
        self,
        data: Data,
        processor: Any,
        *,
        teacher: Annotated[str, "the run whose model teaches: run:12"],
        temperature: Annotated[
            float, Gt(0), "what logits are divided by: higher shows more of the teacher's doubts"
        ] = 3.0,
        alpha: Annotated[float, Ge(0), Le(1), "share of the teacher in the loss; the rest is the labels'"] = 0.7,
    ) -> None:
        super().__init__(data, processor)
        self.said, self.temperature, self.alpha = teacher, temperature, alpha
        self._teacher: Teacher | None = None

    @property
    def teacher(self) -> Teacher:
        """The teacher, which is loaded when it is first needed: to use what was trained it need not be there."""
        if self._teacher is None:
            from modrack_plugins.tasks.teacher import Teacher

            self._teacher = Teacher(self.said, self.data, self.processor)
        return self._teacher

    def encode(self, rows: Rows) -> dict[str, Any]:
        encoded = super().encode(rows)
        return encoded | self.teacher.encode(rows) if self._teaches(rows) else encoded

    def prepare(self, batch: Batch) -> Batch:
        if batch.training:
            self.teacher.watch(batch)
        return super().prepare(batch)

    def step(self, parts: Any, batch: Batch, phase: str) -> Step:
        step = super().step(parts, batch, phase)
        if not batch.training:
            return step
        labels = step.loss
        assert labels is not None
        assert not isinstance(labels, dict)
        doubts = self._doubts(step.outputs["logits"], self.teacher.logits(batch))
        loss = (1 - self.alpha) * labels.sum() + self.alpha * self.temperature**2 * doubts.sum()
        logs = {"teacher_loss": doubts.detach()}
        return modrack.Step(loss, step.outputs, logs)

    def _doubts(self, student: Tensor, teacher: Tensor) -> Tensor:
        """KL(teacher ‖ student) a row, (rows,), of logits softened by the temperature; the mean over classes where a
        row may have several."""
        import torch
        from torch.nn import functional as F

        student, teacher = student / self.temperature, teacher / self.temperature
        if self.data.target == "classes":
            # Each class is a coin: KL of two coins, from logits.
            share = teacher.sigmoid()
            cross = F.binary_cross_entropy_with_logits(student, share, reduction="none")
            own = F.binary_cross_entropy_with_logits(teacher, share, reduction="none")
            return torch.sub(cross, own).mean(1)
        return F.kl_div(student.log_softmax(-1), teacher.log_softmax(-1), reduction="none", log_target=True).sum(1)

    def _teaches(self, rows: Rows) -> bool:
        if self.data.gives != "text" or self.data.label not in rows.columns:
            return False
        try:
            return self.teacher.own
        except modrack.ModrackError:
            if self.data.restore is None:
                raise
            # Measured where the teacher is not any more. To learn on, `prepare` asks for it again, and says so.
            return False
