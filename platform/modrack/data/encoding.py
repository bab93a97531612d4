"""How rows of each sort become a model's input: the default of `Task.encode`, `prepare` and `forward`.

| sort    | encoded                                | the model is called with                |
|---------|----------------------------------------|-----------------------------------------|
| image   | uint8 (n, channels, height, width)     | fp32, standardised by channel           |
| text    | token numbers, ragged int32            | input_ids=, attention_mask=             |
| tabular | fp32 (n, columns)                      | fp32, numbers standardised by column    |
| audio   | samples, ragged fp32                   | (n, samples), then lengths=             |
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modrack_registry.errors import UserError

if TYPE_CHECKING:
    from modrack.data.facts import Data
    from modrack.data.rows import Rows
    from modrack.seam import Batch


def encode_input(rows: Rows, data: Data, processor: Any) -> dict[str, Any]:
    """The input column and the target of `rows`, encoded by their sorts."""
    encoded: dict[str, Any] = {}
    column = rows[data.input]
    if data.gives == "text":
        encoded["input_ids"] = tokens(column, processor)
    elif data.gives == "audio":
        import numpy as np

        from modrack.seam import Ragged

        encoded["audio"] = Ragged.of(column, dtype=np.float32)
    elif data.gives == "image" and isinstance(column, list):
        shapes = ", ".join(sorted({"×".join(map(str, image.shape)) for image in column})[:3])
        raise UserError(
            f"The images of column {data.input!r} have different sizes: {shapes}.",
            "Give them one, with dataset.size=64 where the dataset has that option.",
        )
    else:
        encoded[data.gives] = column
    for name, facts in data.targets.items():
        encoded[target_column(name)] = encode_target(rows, facts)
    encoded["target"] = encode_target(rows, data)
    return encoded


def target_column(name: str) -> str:
    """What the encoded column of one of several targets is called."""
    return f"target.{name}"


def encode_target(rows: Rows, data: Data) -> Any:
    """The label column as an array: int64 (n,), multi-hot fp32 (n, classes), or fp32 (n,).

    Where a row lacks one of several targets, it is -1 of a class and NaN of a number. None where there is no target, or
    a text, or a class a word.
    """
    import numpy as np

    if data.label is None or data.target == "several" or data.label not in rows:
        return None
    column = rows[data.label]
    if data.target == "class":
        return np.asarray(column, np.int64)
    if data.target == "classes":
        hot = np.zeros((len(column), len(data.classes or ())), np.float32)
        for row, labels in enumerate(column):
            hot[row, np.asarray(labels, np.int64)] = 1
        return hot
    if data.target == "number":
        return np.asarray(column, np.float32)
    return None


def whole(text: str | list[str]) -> str:
    """A text as one string, where it may come in its words: those with spaces between."""
    return text if isinstance(text, str) else " ".join(text)


def tokens(texts: list[Any], processor: Any) -> Any:
    """Token numbers of `texts` by a tokenizer with Hugging Face's conventions, cut to what the model can read."""
    import numpy as np

    from modrack.seam import Ragged

    if processor is None:
        raise UserError(
            "The model takes text but carries no tokenizer.", "Set it as the attribute `processor` of the module."
        )
    longest = processor.model_max_length
    # transformers' way of saying "no limit" is a number beyond any length.
    cut = {"truncation": True, "max_length": longest} if longest < 10**6 else {}
    ids = processor([whole(text) for text in texts], return_attention_mask=False, return_token_type_ids=False, **cut)[
        "input_ids"
    ]
    pad = processor.pad_token_id
    return Ragged.of(ids, 0 if pad is None else pad, np.int32)


def prepare_input(batch: Batch, data: Data, processor: Any = None) -> Batch:
    """Standardise images by channel and tables by column; everything else is ready as it is.

    A number that is missing in a table becomes the mean of train. Categories stay their places, -1 for a missing one.
    Images are standardised as `processor` says, where it does; grey ones get as many equal channels as that has.
    """
    image = batch.get("image")
    if image is not None and not image.is_floating_point():
        scale, shift = _standardising(data, image.device, *moments(data, processor))
        pixels = image.float()
        same = pixels.shape[1] == scale.shape[1]
        batch["image"] = pixels.mul_(scale).add_(shift) if same else (pixels * scale).add_(shift)
    table = batch.get("tabular")
    if table is not None and data.mean is not None:
        scale, shift = _standardising(data, table.device, data.mean, data.std)
        batch["tabular"] = (table * scale + shift).nan_to_num_(0.0)
    return batch


def call_part(part: Any, batch: Batch, data: Data) -> Any:
    """Call `part` with the batch's input; the logits where the answer is an object that has them."""
    if "input_ids" in batch:
        # Without padding no mask is needed, and attention is faster. Only the host is asked.
        mask = batch.mask("input_ids") if batch.padded("input_ids") else None
        answer = part(input_ids=batch["input_ids"].long(), attention_mask=None if mask is None else mask.long())
    elif "audio" in batch:
        answer = part(batch["audio"], batch.lengths["audio"])
    else:
        answer = part(batch[data.gives])
    return getattr(answer, "logits", answer)


def moments(data: Data, processor: Any) -> Any:
    """(mean, std) of pixels / 255 by channel that images are standardised by.

    Those of train, unless `processor` has others by Hugging Face's names for them, image_mean and image_std: a
    pretrained model wants images as it has always seen them.
    """
    mean, std = getattr(processor, "image_mean", None), getattr(processor, "image_std", None)
    return (data.mean, data.std) if mean is None or std is None else (mean, std)


def _standardising(data: Data, device: Any, mean: Any, std: Any) -> Any:
    """(value * scale + shift) is (value - mean) / std, of pixels / 255; kept on the device between batches."""
    kept: dict[Any, Any] = data.__dict__.setdefault("_standardising", {})
    key = (device, *mean, *std)
    if key not in kept:
        import torch

        pixels = data.gives == "image"
        shape = (1, -1, 1, 1) if pixels else (1, -1)
        middle = torch.tensor(mean, dtype=torch.float32, device=device).view(shape)
        spread = torch.tensor(std, dtype=torch.float32, device=device).view(shape).clamp_(min=1e-12)
        kept[key] = (1 / ((255 if pixels else 1) * spread), -middle / spread)
    return kept[key]
