"""Pictures of what a run makes, drawn with Pillow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

# Small images are enlarged until they are about so many pixels high.
SEEN = 56
GAP = 2
GREY, WHITE, BLACK = (96, 96, 96), (255, 255, 255), (0, 0, 0)


def grid(images: Tensor, columns: int) -> Any:
    """(n, channels, height, width) from 0 to 1 as one image, `columns` in a row, on grey; small ones are enlarged."""
    from PIL import Image

    count, _, height, width = images.shape
    factor = max(1, SEEN // height)
    high, wide = height * factor + GAP, width * factor + GAP
    canvas = Image.new("RGB", (wide * min(columns, count) + GAP, high * -(-count // columns) + GAP), GREY)
    for place, image in enumerate(images):
        canvas.paste(tile(image, factor), (GAP + place % columns * wide, GAP + place // columns * high))
    return canvas


def tile(image: Tensor, factor: int = 1) -> Any:
    """(channels, height, width) from 0 to 1 as an image of Pillow, each pixel `factor` pixels wide and high."""
    from PIL import Image

    whole = (image.detach().float().clamp(0, 1) * 255).round().byte().cpu()
    # Whatever is not red, green and blue is shown by its first channel.
    three = whole[:3] if len(whole) >= 3 else whole[:1].expand(3, -1, -1)
    made = Image.fromarray(three.permute(1, 2, 0).contiguous().numpy())
    return made.resize((made.width * factor, made.height * factor), Image.Resampling.NEAREST)


def captioned(images: Sequence[Any], captions: Sequence[str], columns: int) -> Any:
    """Images of Pillow of one size, each with lines of text below it, on white."""
    from PIL import Image, ImageDraw

    pen = ImageDraw.Draw(Image.new("RGB", (1, 1)))
    boxes = [pen.multiline_textbbox((0, 0), caption) for caption in captions]
    wide = int(max([image.width for image in images] + [box[2] for box in boxes])) + 4 * GAP
    high = int(max(image.height for image in images) + max(box[3] for box in boxes)) + 6 * GAP
    canvas = Image.new("RGB", (wide * min(columns, len(images)), high * -(-len(images) // columns)), WHITE)
    pen = ImageDraw.Draw(canvas)
    for place, (image, caption) in enumerate(zip(images, captions, strict=True)):
        left, top = place % columns * wide + 2 * GAP, place // columns * high + 2 * GAP
        canvas.paste(image, (left, top))
        pen.multiline_text((left, top + image.height + GAP), caption, fill=BLACK)
    return canvas


def matrix(values: Sequence[Sequence[float]], names: Sequence[str]) -> Any:
    """A square table: row names on the left, column names on top, a cell the darker the more of its row is in it.

    Numbers stand in the cells of up to 30 classes, names beside those of up to 60.
    """
    from PIL import Image, ImageDraw

    size = len(names)
    pen = ImageDraw.Draw(Image.new("RGB", (1, 1)))
    names = [shortened(name) for name in names] if size <= 60 else [""] * size
    words = [[_number(value) for value in row] if size <= 30 else [""] * size for row in values]
    edge = int(max(pen.textlength(word) for word in [*names, "true"])) + 4 * GAP
    cell = max(14, *(int(pen.textlength(word)) + 4 * GAP for row in words for word in row))
    canvas = Image.new("RGB", (edge + cell * size + GAP, edge + cell * size + GAP), WHITE)
    pen = ImageDraw.Draw(canvas)
    for place, name in enumerate(names):
        middle = edge + cell * place + cell / 2
        pen.text((edge - 2 * GAP, middle), name, fill=BLACK, anchor="rm")
        lying = Image.new("RGB", (edge, cell), WHITE)
        ImageDraw.Draw(lying).text((2 * GAP, cell / 2), name, fill=BLACK, anchor="lm")
        canvas.paste(lying.rotate(90, expand=True), (edge + cell * place, 0))
    pen.text((GAP, edge - GAP), "true", fill=GREY, anchor="ls")
    for line, row in enumerate(values):
        most = sum(row) or 1
        for column, value in enumerate(row):
            left, top, share = edge + cell * column, edge + cell * line, value / most
            shade = (int(255 - 220 * share), int(255 - 170 * share), int(255 - 90 * share))
            pen.rectangle((left, top, left + cell - 1, top + cell - 1), fill=shade)
            ink = WHITE if share > 0.5 else BLACK
            pen.text((left + cell / 2, top + cell / 2), words[line][column], fill=ink, anchor="mm")
    return canvas


def shortened(name: str, longest: int = 18) -> str:
    """The beginning of a long name."""
    return name if len(name) <= longest else f"{name[: longest - 1]}…"


def _number(value: float) -> str:
    return f"{value:.0f}" if value == int(value) else f"{value:.2f}"
