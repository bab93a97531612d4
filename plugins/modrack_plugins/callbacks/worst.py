"""The rows that a classifier is most wrong about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Gt

import modrack

if TYPE_CHECKING:
    from torch import Tensor

    from modrack import Batch, Data

HEAD = ("row", "target", "predicted", "probability", "target_probability", "loss", "input")


@modrack.callback
class WorstPredictions:
    """The rows of test with the greatest loss, kept when training has ended: mislabelled ones come first, too.

    `worst-predictions.csv` has a line each: its number in test, counted from 0, the true and the predicted class with
    their probabilities, the loss, and the text or the numbers. Of images there is `worst-predictions.png` besides.
    """

    def __init__(self, data: Data, *, rows: Annotated[int, Gt(0), "how many to keep"] = 10) -> None:
        self.data, self.rows = data, rows

    def started(self, training: Any) -> None:
        """Raise UserError for a task that does not choose one class a row, before it has trained."""
        task = training.rig.task
        if not {"logits", "target"} <= set(task.emits) or self.data.target != "class":
            raise modrack.UserError(
                f"callback worst-predictions: task {type(task).__name__} does not choose a class a row.",
                "It is for classification with one class.",
            )

    def ended(self, training: Any) -> None:
        """Find them, where test was measured: a run that was stopped goes on later."""
        if not any(name.startswith("test.") for name in training.values):
            return
        found: list[dict[str, Any]] = []
        for batch, step in training.outputs("test"):
            found += self._worst(batch, step.outputs["logits"].float(), step.outputs["target"], training.rig.task)
            found = sorted(found, key=lambda each: -each["loss"])[: self.rows]
        training.picture("worst-predictions.csv", _table(found))
        if found and "image" in found[0]:
            training.picture("worst-predictions", _drawn(found))

    def _worst(self, batch: Batch, logits: Tensor, target: Tensor, task: Any) -> list[dict[str, Any]]:
        """The worst rows of one batch."""
        names = self.data.classes or []
        shares = logits.log_softmax(-1)
        losses = -shares.gather(1, target[:, None])[:, 0]
        values, places = losses.topk(min(self.rows, len(losses)))
        best, guesses = shares.max(-1)
        return [
            {
                "row": int(batch.rows[place]),
                "target": names[int(target[place])],
                "predicted": names[int(guesses[place])],
                "probability": float(best[place].exp()),
                "target_probability": float((-losses[place]).exp()),
                "loss": loss,
                **self._input(batch, place, task),
            }
            for loss, place in zip(values.tolist(), places.tolist(), strict=True)
        ]

    def _input(self, batch: Batch, place: int, task: Any) -> dict[str, Any]:
        """What the model was shown, for a person."""
        import torch

        from modrack.data.encoding import moments

        if "image" in batch:
            mean, std = (torch.tensor(each).view(-1, 1, 1) for each in moments(self.data, task.processor))
            return {"input": "", "image": batch["image"][place].float().cpu() * std + mean}
        if "input_ids" in batch and task.processor is not None:
            ids = batch["input_ids"][place][: int(batch.lengths["input_ids"][place])].tolist()
            return {"input": task.processor.decode(ids, skip_special_tokens=True)}
        if "tabular" in batch:
            return {"input": " ".join(f"{value:g}" for value in batch["tabular"][place].tolist())}
        return {"input": ""}


def _table(found: list[dict[str, Any]]) -> str:
    import csv
    import io

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEAD)
    for each in found:
        writer.writerow([f"{each[name]:.4g}" if isinstance(each[name], float) else each[name] for name in HEAD])
    return text.getvalue()


def _drawn(found: list[dict[str, Any]]) -> Any:
    from modrack_plugins.drawing import captioned, shortened, tile

    factor = max(1, 84 // found[0]["image"].shape[1])
    captions = []
    for each in found:
        true, said = shortened(each["target"]), shortened(each["predicted"])
        captions.append(f"row {each['row']}: {true}\nsaid {said}, {each['probability']:.2f}")
    return captioned([tile(each["image"], factor) for each in found], captions, 5)
