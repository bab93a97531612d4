"""Pictures of what a run makes, drawn with Pillow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

# Small images are enlarged until they are about so many pixels high.
SEEN = 56
GAP = 2


def grid(images: Tensor, columns: int) -> Any:
    """(n, channels, height, width) from 0 to 1 as one image, `columns` beside each other on grey; small ones enlarged."""
    from PIL import Image

    count, _, height, width = images.shape
    factor = max(1, SEEN // max(1, height))
    high, wide = height * factor + GAP, width * factor + GAP
    canvas = Image.new("RGB", (wide * min(columns, count) + GAP, high * -(-count // columns) + GAP), (96, 96, 96))
    for place, image in enumerate(images):
        canvas.paste(picture(image, factor), (GAP + place % columns * wide, GAP + place // columns * high))
    return canvas


def picture(image: Tensor, factor: int = 1) -> Any:
    """(channels, height, width) from 0 to 1 as an image of Pillow, each pixel `factor` pixels wide and high."""
    from PIL import Image

    whole = (image.detach().float().clamp(0, 1) * 255).round().byte().cpu()
    # Whatever is not red, green and blue is shown by its first channel.
    three = whole[:3] if len(whole) >= 3 else whole[:1].expand(3, -1, -1)
    made = Image.fromarray(three.permute(1, 2, 0).contiguous().numpy(), "RGB")
    return made.resize((made.width * factor, made.height * factor), Image.Resampling.NEAREST)
