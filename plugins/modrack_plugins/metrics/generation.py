"""How good is what generates images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import modrack

if TYPE_CHECKING:
    from torch import Tensor

    from modrack import Data


@modrack.metric(better="higher")
class Elbo:
    """Evidence lower bound of a variational autoencoder, in nats a row; the divergence counts whole, whatever beta."""

    def __init__(self) -> None:
        self.sum: Any = 0.0
        self.rows = 0

    def update(self, elbo: Tensor) -> None:
        """`elbo` (rows,)."""
        self.sum = self.sum + elbo.float().sum()
        self.rows += len(elbo)

    def compute(self) -> Any:
        """The mean over all rows since it was made."""
        return self.sum / self.rows


@modrack.metric(better="lower")
class FrechetDistance:
    """How far features of made images are from those of real ones (Heusel et al., NeurIPS 2017, arXiv 1706.08500).

    0 for the same mean and covariance. Features are what the last layer of a classifier trained here reads, or plain
    pixels. Figures of other features, or of another number of rows, cannot be compared: few rows make it larger.
    """

    def __init__(
        self,
        data: Data,
        *,
        features: Annotated[str, "a past run of a classifier of the same images, as run:3; or pixels"] = "pixels",
    ) -> None:
        from modrack_plugins.metrics.frechet import Moments

        self.real, self.made = Moments(), Moments()
        self.features: Any = None
        if features != "pixels":
            from modrack_plugins.metrics.features import features_of

            self.features = features_of(features, tuple(data.shape or ()))

    def update(self, image: Tensor, generated: Tensor) -> None:
        """Both (rows, channels, height, width), pixels from 0 to 1."""
        for moments, pixels in ((self.real, image), (self.made, generated)):
            moments.add(pixels.flatten(1) if self.features is None else self.features(pixels))

    def compute(self) -> float:
        """The distance over all rows since it was made."""
        from modrack_plugins.metrics.frechet import distance

        return distance(self.real.mean, self.real.covariance, self.made.mean, self.made.covariance)
