"""What a model makes, as a picture after each evaluation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge, Gt

import modrack

if TYPE_CHECKING:
    from torch import Tensor


@modrack.callback
class Samples:
    """Draws generated images, and rebuilt ones beside their originals where the task rebuilds.

    Noise and originals are the same each time, those of the first rows of validation, so that one can watch an image
    change. Kept as `samples-STEP.png` and `reconstructions-STEP.png`.
    """

    def __init__(
        self,
        *,
        images: Annotated[int, Gt(0), "how many to draw"] = 64,
        columns: Annotated[int, Gt(0), "how many beside each other"] = 8,
        every: Annotated[int, Ge(1), "evaluations from one picture to the next"] = 1,
    ) -> None:
        self.images, self.columns, self.every = images, columns, every

    def started(self, training: Any) -> None:
        """Raise UserError for a task that makes no images, before it has trained."""
        task = training.rig.task
        if not {"generated", "reconstruction"} & set(task.emits):
            raise modrack.UserError(
                f"callback samples: task {type(task).__name__} makes no images.",
                "It draws the outputs `generated` and `reconstruction`, as those of vae and gan.",
            )

    def evaluated(self, training: Any) -> None:
        """Draw, where it is time to."""
        from modrack_plugins.drawing import grid

        # Counted in steps, so that a resumed run draws when it would have drawn.
        each = training.settings.evaluate_every or training.rig.feeders["train"].steps
        last = training.step == training.rig.total_steps
        if training.step // each % self.every and not last:
            return
        made = self._gather(training)
        if "generated" in made:
            training.picture(f"samples-{training.step:08d}", grid(made["generated"], self.columns))
        if "reconstruction" in made:
            pairs = _beside(made["image"], made["reconstruction"])
            training.picture(f"reconstructions-{training.step:08d}", grid(pairs, self.columns // 2 * 2 or 2))

    def _gather(self, training: Any) -> dict[str, Tensor]:
        """The outputs to draw of the first rows."""
        import torch

        found: dict[str, list[Tensor]] = {}
        rows = 0
        for batch, step in training.outputs("validation"):
            for name in ("image", "generated", "reconstruction"):
                if name in step.outputs:
                    found.setdefault(name, []).append(step.outputs[name].float().cpu())
            rows += batch.size
            if rows >= self.images:
                break
        return {name: torch.cat(pieces)[: self.images] for name, pieces in found.items()}


def _beside(images: Tensor, others: Tensor) -> Tensor:
    """One of each in turn, (2n, …)."""
    import torch

    return torch.stack([images, others], 1).flatten(0, 1)
