"""Rows of a split as arrays and lists: what `Task.encode` receives.

Fixed-shape columns are read through Arrow's own buffer, so that 60,000 images cost no copy; files of images are
decoded when they are asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from modrack.data.sorts import is_record, is_words
from modrack.data.sounds import read_sound
from modrack.data.splits import is_stream
from modrack_registry.errors import UserError


class Rows:
    """Some rows of a split: `rows["image"]` is the column, `len(rows)` how many, `rows.columns` the names.

    A column is uint8 (n, channels, height, width) for images (a list of arrays where sizes differ), list[str] for
    texts (list[list[str]] where they are cut into words), int64 (n,) or fp32 (n,) for numbers, fp32 (n, length) for
    fixed-length lists, else a list of arrays. Rows of a table are fp32 (n, columns): numbers, NaN where one is missing;
    categories by their place in the list of names, -1 where one is missing. Of a column of named parts, such as several
    targets, `rows["column.part"]` is one part.
    """

    def __init__(self, table: Any, features: Any, first: int = 0, split: str = "", chosen: Any = None) -> None:
        self._table, self._features, self._first, self._split = table, features, first, split
        # Numbers of rows in the table, where only some of them, or in another order, are meant.
        self._chosen = chosen
        self.columns = list(features)

    def __len__(self) -> int:
        return int(self._table.num_rows) if self._chosen is None else len(self._chosen)

    def __contains__(self, column: str) -> bool:
        return column in self.columns or self._part(column) is not None

    def __getitem__(self, column: str) -> Any:
        part = self._part(column)
        if part is not None:
            return self._lone(*part, column)[column]
        feature = self._features[column]
        kind = type(feature).__name__
        if kind in ("Array2D", "Array3D"):
            return channels_first(self._fixed(column, feature.dtype, feature.shape))
        length = int(getattr(feature, "length", -1))
        if length > 0:
            return self._fixed(column, "float32", (length,))
        values = self._column(column)
        if is_record(feature):
            return _table(values, feature)
        if kind == "Image":
            return self._images(column, values, feature)
        if kind == "Audio":
            return self._sounds(column, values, feature.sampling_rate)
        plain = values.to_pylist()
        if kind == "ClassLabel":
            return np.asarray([-1 if value is None else value for value in plain], np.int64)
        if kind == "Value" and not isinstance(next((value for value in plain if value is not None), ""), str):
            return np.asarray(plain, np.float32 if feature.dtype.startswith(("float", "double")) else np.int64)
        if kind == "Value":
            self._refuse_none(column, plain)
            return plain
        if is_words(feature):
            self._refuse_none(column, plain)
            return plain
        return [np.asarray(value) for value in plain]

    def raw(self, column: str) -> list[Any]:
        """The column as plain Python values."""
        values: list[Any] = self._column(column).to_pylist()
        return values

    def _part(self, column: str) -> tuple[str, str] | None:
        """The column and the name of the part that `column` means; None where it is a whole column, or nothing."""
        if column in self.columns:
            return None
        for whole, feature in self._features.items():
            name = column.removeprefix(f"{whole}.")
            if name != column and isinstance(feature, dict) and name in feature:
                return whole, name
        return None

    def _lone(self, whole: str, part: str, column: str) -> Rows:
        """These rows with a part of a column as their only column, named `column`."""
        import pyarrow as pa
        import pyarrow.compute as compute

        # Through the struct, whose own offset and gaps `struct_field` minds.
        values = compute.struct_field(self._column(whole), [part])
        return Rows(pa.table({column: values}), {column: self._features[whole][part]}, self._first, self._split)

    def _column(self, column: str) -> Any:
        values = self._table.column(column)
        return values if self._chosen is None else values.take(self._chosen)

    def _fixed(self, column: str, dtype: str, shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
        """A column of one shape a row. Chosen rows are gathered by numpy: Arrow takes a hundred times as long."""
        values = self._table.column(column)
        if self._chosen is not None and values.num_chunks > 1:
            values = values.take(self._chosen)
            return _flat(values, dtype).reshape(len(self), *shape)
        whole = _flat(values, dtype).reshape(self._table.num_rows, *shape)
        return whole if self._chosen is None else whole[self._chosen]

    def _refuse_none(self, column: str, values: list[Any]) -> None:
        for place, value in enumerate(values):
            if value is None:
                raise UserError(f"Row {self._first + place + 1} of {self._split or 'the data'} has no {column!r}.")

    def _images(self, column: str, values: Any, feature: Any) -> Any:
        from PIL import Image, UnidentifiedImageError

        made = []
        for place, value in enumerate(values.to_pylist()):
            try:
                image = feature.decode_example(value)
            except (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError) as error:
                path = (value or {}).get("path") or f"row {self._first + place + 1} of {self._split or 'the data'}"
                raise UserError(
                    f"{path}: the image cannot be read ({type(error).__name__}).", "Mend or remove it."
                ) from None
            made.append(image)
        grey = all(image.mode in ("L", "1", "I;16") for image in made)
        arrays = [np.asarray(image.convert("L" if grey else "RGB")) for image in made]
        arrays = [array[None] if grey else np.moveaxis(array, 2, 0) for array in arrays]
        same = len({array.shape for array in arrays}) == 1
        return np.stack(arrays) if same else arrays

    def _sounds(self, column: str, values: Any, rate: int | None) -> list[Any]:
        made = []
        for place, value in enumerate(values.to_pylist()):
            self._refuse_none(column, [value])
            where = value.get("path") or f"row {self._first + place + 1} of {self._split or 'the data'}"
            made.append(read_sound(value.get("bytes") or value["path"], rate, where))
        return made


def _table(values: Any, feature: dict[str, Any]) -> np.ndarray[Any, Any]:
    """Named numbers and categories side by side, fp32 (n, columns)."""
    import pyarrow as pa
    import pyarrow.compute as compute

    made = np.empty((len(values), len(feature)), np.float32)
    for place, (name, each) in enumerate(feature.items()):
        # Through the struct, whose own offset and gaps `struct_field` minds.
        column = compute.struct_field(values, [name]).cast(pa.float64())
        if type(each).__name__ == "ClassLabel":
            column = compute.fill_null(column, -1)
        made[:, place] = np.asarray(column.to_numpy(), np.float32)
    return made


def chunks(split: Any, size: int, name: str = "") -> Iterator[Rows]:
    """Rows of a split, `size` at a time; a stream too."""
    if is_stream(split):
        from datasets import Dataset

        for batch in split.iter(batch_size=size):
            part = Dataset.from_dict(batch, features=split.features)
            yield Rows(part.data.table, part.features, 0, name)
        return
    table, indices = split.data.table, split._indices
    chosen = None if indices is None else indices.column(0).to_numpy()
    for first in range(0, len(split), size):
        if chosen is None:
            yield Rows(table.slice(first, size), split.features, first, name)
        else:
            yield Rows(table, split.features, first, name, chosen[first : first + size])


def channels_first(images: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """(n, h, w), (n, c, h, w) or (n, h, w, c) as (n, c, h, w); channels are the dimension of 1, 3 or 4."""
    if images.ndim == 3:
        return images[:, None]
    return images if has_channels_first(images.shape[1:]) else np.moveaxis(images, 3, 1)


def has_channels_first(shape: tuple[int, ...]) -> bool:
    """Whether the three dimensions of an image begin with its channels."""
    return shape[0] in (1, 3, 4) or shape[2] not in (1, 3, 4)


def _flat(values: Any, dtype: str) -> np.ndarray[Any, Any]:
    """All numbers of a column of nested lists, end to end; a view of Arrow's memory where that is one piece."""
    pieces = []
    for chunk in values.chunks if hasattr(values, "chunks") else [values]:
        inner = getattr(chunk, "storage", chunk)
        while hasattr(inner, "flatten") and str(inner.type).startswith(("list", "large_list", "fixed_size_list")):
            inner = inner.flatten()
        pieces.append(inner.to_numpy(zero_copy_only=False))
    flat = pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
    return flat.astype(dtype, copy=False)
