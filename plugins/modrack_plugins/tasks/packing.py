"""Token numbers of texts, whole, and laid out in rows that a model can read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import modrack

if TYPE_CHECKING:
    from modrack import Ragged, Rows


def whole_tokens(rows: Rows, column: str, processor: Any, task: str, *, marks: bool) -> Ragged:
    """The token numbers of each text, never cut; with the tokenizer's marks around them, or without.

    Raises UserError where the model has no tokenizer.
    """
    import numpy as np

    if processor is None:
        raise modrack.UserError(
            f"task {task}: the model carries no tokenizer.", "Set it as the attribute `processor` of the module."
        )
    # The tokenizer would warn of texts that are longer than its model reads: here they are cut up later.
    made = processor(
        rows[column],
        add_special_tokens=marks,
        return_attention_mask=False,
        return_token_type_ids=False,
        truncation=False,
        verbose=False,
    )
    pad = processor.pad_token_id
    return modrack.Ragged.of(made["input_ids"], 0 if pad is None else pad, np.int32)


def join(column: Ragged, length: int, end: int) -> Ragged:
    """All rows end to end, each closed by the token `end`, cut into rows of `length`; the last one may be shorter.

    Each row but the first begins with the last token of the one before, so that none goes unpredicted: a row of
    `length` tokens predicts `length` - 1, and the very first text is opened by `end` too.
    """
    import numpy as np

    total = len(column.values) + len(column) + 1
    flat = np.full(total, end, column.values.dtype)
    # Each value moves on by one place for the opening, and one for each text before it.
    texts = np.repeat(np.arange(len(column)), np.diff(column.offsets))
    flat[np.arange(len(column.values)) + texts + 1] = column.values
    starts = np.arange(0, total - 1, length - 1)
    ends = np.minimum(starts + length, total)
    lengths = ends - starts
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
    index = np.arange(offsets[-1]) - np.repeat(offsets[:-1] - starts, lengths)
    return modrack.Ragged(flat[index], offsets, column.pad)


def cut(column: Ragged, length: int) -> Ragged:
    """Rows cut into pieces of `length` tokens at most; each piece gets the marks that its row begins and ends with.

    Rows with nothing between their marks are left out.
    """
    import numpy as np

    room = length - 2
    inner = np.diff(column.offsets) - 2
    pieces = -(-inner // room)
    row = np.repeat(np.arange(len(column)), pieces)
    number = np.arange(len(row)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    # Of even length, so that no row ends in a piece of a token or two.
    begins = column.offsets[row] + inner[row] * number // pieces[row]
    sizes = column.offsets[row] + inner[row] * (number + 1) // pieces[row] - begins + 2
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])
    flat = column.values[np.arange(offsets[-1]) + np.repeat(begins - offsets[:-1], sizes)]
    flat[offsets[:-1]] = column.values[column.offsets[row]]
    flat[offsets[1:] - 1] = column.values[column.offsets[row + 1] - 1]
    return modrack.Ragged(flat, offsets, column.pad)
