"""Augmentations of images, for a whole batch at once on the device where it lies."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

from annotated_types import Ge, Gt, Le

import modrack
from modrack_plugins.augmentations.kind import augmentation

if TYPE_CHECKING:
    from torch import Tensor

    from modrack import Batch, Data

Change = Callable[["Batch"], "Batch"]
Share = Annotated[float, Ge(0), Le(1), "share of the images it happens to"]


@augmentation
def crop(data: Data, *, padding: Annotated[int, Gt(0), "pixels on each side, filled with black"] = 4) -> Change:
    """A cut of the old size at a random place of the padded image."""

    def change(batch: Batch) -> Batch:
        import torch
        from torch.nn import functional as F

        image = batch["image"]
        rows, _, height, width = image.shape
        padded = F.pad(image, (padding,) * 4)
        shift = (batch.uniform(2) * (2 * padding + 1)).long()
        down = shift[:, :1] + torch.arange(height, device=image.device)
        right = shift[:, 1:] + torch.arange(width, device=image.device)
        place = torch.arange(rows, device=image.device)[:, None, None]
        batch["image"] = padded.permute(0, 2, 3, 1)[place, down[:, :, None], right[:, None, :]].permute(0, 3, 1, 2)
        return batch

    return change


@augmentation
def flip(
    data: Data, *, share: Share = 0.5, vertical: Annotated[bool, "top to bottom, not left to right"] = False
) -> Change:
    """Mirrored."""

    def change(batch: Batch) -> Batch:
        image = batch["image"]
        batch["image"] = _where(batch, share, image.flip(-2 if vertical else -1), image)
        return batch

    return change


@augmentation
def cutout(data: Data, *, size: Annotated[int, Gt(0), "side of the square, pixels"] = 8, share: Share = 1.0) -> Change:
    """A square of black at a random place (DeVries and Taylor, 2017, arXiv 1708.04552)."""
    if data.shape is not None and size >= min(data.shape[1:]):
        raise modrack.UserError(
            f"augmentation.cutout.size={size}: the images are {data.shape[1]}×{data.shape[2]}.", "Cut out less."
        )

    def change(batch: Batch) -> Batch:
        import torch

        image = batch["image"]
        height, width = image.shape[2:]
        noise = batch.uniform(3)
        # The middle lies anywhere, so that a square may stand out over the edge, as in the paper.
        top = (noise[:, :1] * height).long() - size // 2
        left = (noise[:, 1:2] * width).long() - size // 2
        down, right = (torch.arange(length, device=image.device) for length in (height, width))
        inside = ((down >= top) & (down < top + size))[:, :, None] & ((right >= left) & (right < left + size))[:, None]
        inside &= (noise[:, 2] < share)[:, None, None]
        batch["image"] = image.masked_fill(inside[:, None], 0)
        return batch

    return change


@augmentation
def colour(
    data: Data,
    *,
    brightness: Annotated[float, Ge(0), Le(1), "by how much a factor on all pixels differs from 1"] = 0.2,
    contrast: Annotated[float, Ge(0), Le(1), "by how much a factor on the distance to the mean differs from 1"] = 0.2,
    saturation: Annotated[float, Ge(0), Le(1), "by how much a factor on the distance to grey differs from 1"] = 0.2,
) -> Change:
    """Brighter or darker, of more or less contrast and, where there are three channels, more or less colourful."""

    def change(batch: Batch) -> Batch:
        image = batch["image"]
        pixels = image.float()
        noise = batch.uniform(3).mul(2).sub(1)[:, :, None, None, None]
        pixels = pixels * (1 + brightness * noise[:, 0])
        mean = pixels.mean((1, 2, 3), keepdim=True)
        pixels = mean + (pixels - mean) * (1 + contrast * noise[:, 1])
        if image.shape[1] == 3:
            grey = pixels.mean(1, keepdim=True)
            pixels = grey + (pixels - grey) * (1 + saturation * noise[:, 2])
        batch["image"] = pixels.round_().clamp_(0, 255).to(image.dtype)
        return batch

    return change


@augmentation
def mixup(data: Data, *, alpha: Annotated[float, Gt(0), "of the Beta distribution of the share"] = 0.2) -> Change:
    """Each image blended with another of its batch, its label likewise (Zhang et al., ICLR 2018, arXiv 1710.09412).

    The other image comes from the same micro-batch: with accumulation other pairs meet than without.
    """
    if data.target != "class":
        raise modrack.UserError(f"augmentation mixup blends labels of one class a row, not {data.target}.")

    def change(batch: Batch) -> Batch:
        from torch.nn import functional as F

        image, target = batch["image"], F.one_hot(batch["target"], len(data.classes or ())).float()
        share = _beta(batch.uniform(2), alpha)
        batch["image"] = _blend(image.float(), share[:, None, None, None]).round_().to(image.dtype)
        batch["target"] = _blend(target, share[:, None])
        return batch

    return change


def _where(batch: Batch, share: float, changed: Tensor, image: Tensor) -> Tensor:
    import torch

    return torch.where(batch.uniform(1)[:, :, None, None] < share, changed, image)


def _blend(values: Tensor, share: Tensor) -> Tensor:
    return values * share + values.flip(0) * (1 - share)


def _beta(noise: Tensor, alpha: float) -> Tensor:
    """Shares from Beta(alpha, alpha), the larger of the two sides, from two uniform columns.

    By Jöhnk (Metrika 8, 1964): x / (x + y) of x = u ** (1 / alpha), y = v ** (1 / alpha) is Beta where x + y <= 1;
    rows where that does not hold keep their image as it is, which draws the share towards 1 a little more.
    """
    x, y = noise.clamp(min=1e-12).pow(1 / alpha).unbind(1)
    share = (x / (x + y)).nan_to_num(1.0).where(x + y <= 1, 1.0)
    return share.maximum(1 - share)
