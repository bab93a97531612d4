"""Generative adversarial networks: one part makes images, the other tells them from real ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge, Gt

import modrack
from modrack_plugins.tasks.pixels import pixels, shown

if TYPE_CHECKING:
    from torch import Tensor

    from modrack import Batch, Data, Step


@modrack.task(takes="image", needs="generated")
class Gan(modrack.Task):
    """Makes images by a game of two parts (Goodfellow et al., NeurIPS 2014, arXiv 1406.2661); labels are ignored.

    The generator's loss is the one that does not saturate. There is no loss to compare runs by: neither part's says
    how good the images are, the metric `frechet-distance` does.
    """

    emits = ("image", "generated")
    phases = {"discriminator": ("discriminator",), "generator": ("generator",)}

    def prepare(self, batch: Batch) -> Batch:
        return pixels(batch)

    def generate(self, parts: Any, batch: Batch) -> Tensor:
        """As many images as the batch has rows, from noise that hangs on the rows' places."""
        # In a run of several processes the part is wrapped.
        latent = getattr(parts.generator, "module", parts.generator).latent
        image = batch["image"]
        made: Tensor = parts.generator(batch.normal(latent).to(image.dtype)).to(image.dtype)
        return made

    def step(self, parts: Any, batch: Batch, phase: str) -> Step:
        import torch
        from torch.nn import functional as F

        image, generated = batch["image"], self.generate(parts, batch)
        if phase == "generator":
            return modrack.Step(F.softplus(-parts.discriminator(generated).to(image.dtype)))
        real, made = parts.discriminator(torch.cat([image, generated])).to(image.dtype).chunk(2)
        logs = {"discriminator.accuracy": torch.cat([real > 0, made < 0]).float()}
        return modrack.Step(F.softplus(-real) + F.softplus(made), logs=logs)

    def evaluate(self, parts: Any, batch: Batch) -> Step:
        return modrack.Step(None, {"image": batch["image"], "generated": self.generate(parts, batch)})

    def predict(self, parts: Any, batch: Batch) -> dict[str, Any]:
        """`generated`, an image of Pillow."""
        return {"generated": shown(self.generate(parts, batch))}


@modrack.task(name="wgan-gp", takes="image", needs="generated")
class WganGp(Gan):
    """A GAN by Wasserstein's distance, its critic held smooth by a penalty (Gulrajani et al., arXiv 1704.00028).

    The critic takes `critic_steps` steps for one of the generator; the penalty draws the size of its gradient, between
    real and made images, to 1.
    """

    def __init__(
        self,
        data: Data,
        processor: Any,
        *,
        critic_steps: Annotated[int, Gt(0), "steps of the critic for one of the generator"] = 5,
        penalty: Annotated[float, Ge(0), "weight of the gradient's penalty"] = 10.0,
    ) -> None:
        super().__init__(data, processor)
        self.critic_steps, self.penalty = critic_steps, penalty

    def schedule(self, step: int) -> tuple[str, ...]:
        return tuple(self.phases)[: 2 if (step + 1) % self.critic_steps == 0 else 1]

    def step(self, parts: Any, batch: Batch, phase: str) -> Step:
        import torch

        image, generated = batch["image"], self.generate(parts, batch)
        if phase == "generator":
            return modrack.Step(-parts.discriminator(generated).to(image.dtype))
        # Also where nobody else wants a gradient, as when the loss is only looked at.
        with torch.enable_grad():
            between = torch.lerp(image, generated, batch.uniform(1, 1, 1).to(image.dtype)).requires_grad_()
            scores = parts.discriminator(torch.cat([image, generated, between])).to(image.dtype)
            real, made, mixed = scores.chunk(3)
            (slope,) = torch.autograd.grad(mixed.sum(), between, create_graph=True)
        penalty = (slope.flatten(1).norm(dim=1) - 1).square()
        logs = {"wasserstein": (real - made).detach()}
        return modrack.Step({"distance": made - real, "penalty": self.penalty * penalty}, logs=logs)
