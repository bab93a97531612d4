"""Images as the tasks that make some take and give them: pixels from 0 to 1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

    from modrack import Batch


def pixels(batch: Batch) -> Batch:
    """The batch with its images, uint8, as fp32 from 0 to 1."""
    if not batch["image"].is_floating_point():
        batch["image"] = batch["image"].float().div_(255)
    return batch


def shown(images: Tensor) -> list[Any]:
    """(n, channels, height, width) from 0 to 1 as images of Pillow, for a person."""
    from PIL import Image

    whole = (images.detach().float().clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    return [Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image) for image in whole]
