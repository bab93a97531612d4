"""Fréchet's distance between two normal distributions, from sums that grow batch by batch."""

from __future__ import annotations

import torch
from torch import Tensor


class Moments:
    """Mean and covariance of rows, kept as sums of the rows and of their products."""

    def __init__(self) -> None:
        self.rows = 0
        self._origin: Tensor | None = None
        self._sum: Tensor | None = None
        self._products: Tensor | None = None

    def add(self, features: Tensor) -> None:
        """Take in rows, (n, size). Sums are in fp64, about the first rows' mean, on devices that have fp64."""
        exact = features.detach().cpu().double() if features.device.type == "mps" else features.detach().double()
        if self._origin is None:
            self._origin = exact.mean(0)
            self._sum, self._products = torch.zeros_like(self._origin), exact.new_zeros(exact.shape[1], exact.shape[1])
        assert self._sum is not None
        assert self._products is not None
        exact = exact - self._origin
        self._sum += exact.sum(0)
        self._products += exact.T @ exact
        self.rows += len(exact)

    @property
    def mean(self) -> Tensor:
        """(size,), fp64."""
        assert self._origin is not None
        assert self._sum is not None
        return self._origin + self._sum / self.rows

    @property
    def covariance(self) -> Tensor:
        """(size, size), fp64, over one row fewer than there are."""
        assert self._products is not None
        assert self._sum is not None
        return (self._products - torch.outer(self._sum, self._sum) / self.rows) / max(1, self.rows - 1)


def distance(mean: Tensor, covariance: Tensor, other_mean: Tensor, other_covariance: Tensor) -> float:
    """|m - m'|² + tr(C + C' - 2 (C C')^½), as Heusel et al. (NeurIPS 2017, arXiv 1706.08500) measure images.

    The trace of the root is the sum of the roots of the eigenvalues of C^½ C' C^½, which is symmetric where C C' is
    not, and has the same ones.
    """
    values, vectors = torch.linalg.eigh(covariance)
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T
    shared = torch.linalg.eigvalsh(root @ other_covariance @ root).clamp(min=0).sqrt().sum()
    gap = (mean - other_mean).square().sum()
    # Rounding can leave a little less than nothing.
    return max(0.0, float(gap + covariance.trace() + other_covariance.trace() - 2 * shared))
