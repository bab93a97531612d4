"""A variational autoencoder: what is an image made of, and what else could be made so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge

import modrack
from modrack_plugins.tasks.pixels import pixels, shown

if TYPE_CHECKING:
    from modrack import Batch, Data, Step


@modrack.task(takes="image", needs="reconstruction")
class Vae(modrack.Task):
    """Codes images and rebuilds them, by the evidence lower bound (Kingma and Welling, ICLR 2014, arXiv 1312.6114).

    Labels are ignored. The loss of a row, in nats, is the cross entropy of its pixels, taken as probabilities of
    white, and `beta` times the divergence of its code from a standard normal one (beta: Higgins et al., ICLR 2017).
    """

    emits = ("image", "reconstruction", "generated", "elbo")

    def __init__(
        self, data: Data, processor: Any, *, beta: Annotated[float, Ge(0), "weight of the divergence"] = 1.0
    ) -> None:
        super().__init__(data, processor)
        self.beta = beta

    def prepare(self, batch: Batch) -> Batch:
        return pixels(batch)

    def step(self, parts: Any, batch: Batch, phase: str) -> Step:
        from torch.nn import functional as F

        image = batch["image"]
        mean, spread = parts.encoder(image).to(image.dtype).chunk(2, 1)
        # One noise for the code, and one for what is generated.
        noise = batch.normal(2, mean.shape[1]).to(image.dtype)
        logits = parts.decoder(mean + noise[:, 0] * (spread / 2).exp()).to(image.dtype)
        entropy = F.binary_cross_entropy_with_logits(logits, image, reduction="none").flatten(1).sum(1)
        divergence = (mean.square() + spread.exp() - 1 - spread).sum(1) / 2
        outputs = {"image": image, "reconstruction": logits.detach().sigmoid(), "elbo": -(entropy + divergence)}
        loss = {"reconstruction": entropy, "divergence": self.beta * divergence}
        return modrack.Step(loss, outputs | {"noise": noise[:, 1]})

    def evaluate(self, parts: Any, batch: Batch) -> Step:
        made = self.step(parts, batch, "train")
        made.outputs["generated"] = parts.decoder(made.outputs["noise"]).to(batch["image"].dtype).sigmoid()
        return made

    def predict(self, parts: Any, batch: Batch) -> dict[str, Any]:
        """`reconstruction` of the row and `generated` from noise, images of Pillow."""
        outputs = self.evaluate(parts, batch).outputs
        return {name: shown(outputs[name]) for name in ("reconstruction", "generated")}
