"""A value that somebody hands over, as the column that a model was trained on holds it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from modrack.data.facts import Data
from modrack.data.images import UnreadableImage, read_image
from modrack.data.sorts import is_record
from modrack.data.sounds import SAMPLE_RATE
from modrack_registry.errors import UserError

# The largest number that fp32 holds.
_LARGEST = 3.4028234663852886e38


class Casting:
    """Turns values into those of the input column of `data`. `feature` is that column's.

    `note` is told what a person should know, once each: categories that train lacks.
    """

    def __init__(self, data: Data, note: Callable[[str], None] = lambda text: None) -> None:
        from datasets import Array3D

        self.data, self._note = data, note
        self._told: set[str] = set()
        self.feature = data.features[data.input]
        if data.gives == "image":
            # However the images of the dataset were kept, these are read to the size that the model takes.
            self.feature = Array3D(data.shape, "uint8")
        self._places = {
            name: {each: place for place, each in enumerate(feature.names)}
            for name, feature in (self.feature.items() if is_record(self.feature) else ())
            if type(feature).__name__ == "ClassLabel"
        }

    def __call__(self, value: Any, name: str) -> Any:
        """`value` as the column holds it; `name` is what to call it in a mistake. Raises UserError."""
        if self.data.gives == "image":
            return self._image(value, name)
        if self.data.gives == "audio":
            return self._sound(value, name)
        if is_record(self.feature):
            return self._record(value, name)
        if self.data.gives == "tabular":
            return self._numbers(value, name)
        if isinstance(value, str) and type(self.feature).__name__ in ("List", "Sequence", "LargeList", "list"):
            return value.split()
        return value

    def _sound(self, value: Any, name: str) -> Any:
        """A file, its bytes, or samples in [-1, 1] at the rate of the data. Read here, so that a mistake has a name."""
        import numpy as np

        from modrack.data.sounds import read_sound, write_sound

        rate = self.data.sample_rate
        value = _content(value, name)
        if isinstance(value, (str, Path, bytes)):
            value = read_sound(value, rate, name)
        samples = np.asarray(value, np.float32)
        if samples.ndim != 1 or not len(samples):
            raise UserError(f"{name}: an array of shape {samples.shape}; a sound is a row of samples.")
        return {"bytes": write_sound(samples, rate or SAMPLE_RATE), "path": None}

    def _image(self, value: Any, name: str) -> Any:
        import numpy as np

        channels, height, width = self.data.shape or (3, 64, 64)
        value = _content(value, name)
        if hasattr(value, "save"):  # PIL's
            import io

            buffer = io.BytesIO()
            value.save(buffer, "PNG")
            value = buffer.getvalue()
        if isinstance(value, (str, Path, bytes)):
            try:
                pixels = read_image(Path(value) if isinstance(value, str) else value, height, width, channels)
            except UnreadableImage as error:
                raise UserError(f"{name}: the image cannot be read ({error}).") from None
            return pixels[None] if channels == 1 else np.moveaxis(pixels, 2, 0)
        array = np.asarray(value)
        array = array[None] if array.ndim == 2 else array
        if array.shape != (channels, height, width):
            sizes = ["×".join(map(str, shape)) for shape in (array.shape, (channels, height, width))]
            raise UserError(f"{name}: an array of {sizes[0]}; the model takes {sizes[1]}.")
        return array.astype(np.uint8)

    def _record(self, row: Any, name: str) -> dict[str, Any]:
        if not isinstance(row, Mapping):
            raise UserError(f"{name}: a row names its columns.", f"They are: {', '.join(self.feature)}.")
        lacking = [each for each in self.feature if each not in row]
        if lacking:
            raise UserError(
                f"{name}: there is no column {lacking[0]!r}.", f"The model takes: {', '.join(self.feature)}."
            )
        return {
            column: self._category(column, row[column])
            if column in self._places
            else _number(row[column], column, name)
            for column in self.feature
        }

    def _category(self, column: str, value: Any) -> int | None:
        said = _spelled(value)
        place = self._places[column].get(said)
        if said and place is None and f"{column}={said}" not in self._told:
            self._told.add(f"{column}={said}")
            self._note(f"{column}={said}: train has no such category; it counts as missing")
        return place

    def _numbers(self, row: Any, name: str) -> list[float | None]:
        if isinstance(row, Mapping):
            row = row.get(self.data.input, list(row.values()))
        wanted = (self.data.shape or (0,))[0]
        if len(row) != wanted:
            raise UserError(f"{name}: {len(row)} numbers; the model takes {wanted}.")
        return [_number(value, str(place + 1), name) for place, value in enumerate(row)]


def _content(value: Any, name: str) -> Any:
    """What the value of an image or a sound leads to: bytes, a path, or itself. Raises UserError for a missing file."""
    if isinstance(value, Mapping):
        value = value.get("bytes") or value.get("path")
    if isinstance(value, (str, Path)) and not Path(value).is_file():
        raise UserError(f"{name}: there is no file {value}." if str(value) != name else f"There is no file {name}.")
    return value


def _number(value: Any, column: str, name: str) -> float | None:
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return float(value.strip().lower() == "true")
    try:
        number = None if value is None or value == "" else float(value)
    except (TypeError, ValueError):
        raise UserError(f"{name}: {value!r} in the column {column!r} is no number.") from None
    if number is not None and abs(number) > _LARGEST:
        raise UserError(f"{name}: {value} in the column {column!r} is no number to compute with.")
    return None if number is not None and number != number else number


def _spelled(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()
