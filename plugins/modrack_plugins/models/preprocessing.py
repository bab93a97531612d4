"""How a model of images wants them: what stands beside a checkpoint as preprocessor_config.json."""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import modrack

FILE = "preprocessor_config.json"


@dataclass(frozen=True)
class Preprocessor:
    """Mean and deviation of pixels / 255 by channel, and (height, width) where the model was trained with one size.

    It is a model's `processor`: the platform standardises images by `image_mean` and `image_std`.
    """

    image_mean: list[float]
    image_std: list[float]
    size: tuple[int, int] | None = None

    def save_pretrained(self, folder: Path | str) -> None:
        """Write it beside the weights, as Hugging Face's libraries read it."""
        said: dict[str, Any] = {
            "do_normalize": True,
            "image_mean": self.image_mean,
            "image_std": self.image_std,
            "do_rescale": True,
            "rescale_factor": 1 / 255,
            "do_resize": self.size is not None,
        }
        if self.size is not None:
            said["size"] = {"height": self.size[0], "width": self.size[1]}
        (Path(folder) / FILE).write_text(json.dumps(said, indent=2), "utf-8")


def of_data(data: modrack.Data) -> Preprocessor | None:
    """For a new model: as it is trained, by the statistics of its data."""
    mean, std = getattr(data, "mean", None), getattr(data, "std", None)
    if mean is None or std is None or data.shape is None:
        return None
    return Preprocessor(list(mean), list(std), (data.shape[1], data.shape[2]))


def read_preprocessor(file: Path, name: str) -> Preprocessor | None:
    """What `file` says, None where it is not there or says nothing of pixels. Raises UserError for a broken one.

    `name` is what to call the checkpoint.
    """
    if not file.is_file():
        return None
    try:
        said = json.loads(file.read_text("utf-8"))
        return _understood(said)
    except (ValueError, TypeError, KeyError, AttributeError, OSError) as error:
        raise modrack.UserError(
            f"model.checkpoint={name}: {file.name} cannot be understood: {' '.join(str(error).split())[:200]}",
            "It should hold image_mean and image_std, a number a channel.",
        ) from None


def for_channels(found: Preprocessor, channels: int) -> Preprocessor:
    """The same for a model of `channels`: one number for all, where it was said for another number of them."""
    if len(found.image_mean) == channels:
        return found
    mean, std = (sum(each) / len(each) for each in (found.image_mean, found.image_std))
    return Preprocessor([mean] * channels, [std] * channels, found.size)


def tell_size(found: Preprocessor | None, data: modrack.Data, name: str) -> None:
    """Warn where the images have another size than those that the checkpoint `name` was trained with."""
    if found is None or found.size is None or data.shape is None or found.size == data.shape[1:]:
        return
    warnings.warn(
        f"{name} was trained with images of {_by(found.size)}; the data have {_by(data.shape[1:])}. "
        f"Say dataset.size={found.size[0]} where the dataset has that.",
        stacklevel=2,
    )


def _understood(said: dict[str, Any]) -> Preprocessor | None:
    if said.get("do_normalize", True):
        mean, std = said.get("image_mean"), said.get("image_std")
        if mean is None or std is None:
            return None
    else:
        mean, std = [0.0], [1.0]
    # Some give one number for all channels.
    mean, std = ([float(each) for each in (value if isinstance(value, list) else [value])] for value in (mean, std))
    if len(mean) != len(std) or not mean or min(std) <= 0:
        raise ValueError(f"image_mean={mean}, image_std={std}")
    # Theirs is (pixel * factor - mean) / std, ours (pixel / 255 - mean) / std.
    factor = 255 * float(said.get("rescale_factor", 1 / 255)) if said.get("do_rescale", True) else 255.0
    return Preprocessor([each / factor for each in mean], [each / factor for each in std], _size(said))


def _size(said: dict[str, Any]) -> tuple[int, int] | None:
    """What an image is when the model gets it: the piece that is cut out last, or what it is scaled to."""
    names = [name for name, done in (("crop_size", "do_center_crop"), ("size", "do_resize")) if said.get(done, True)]
    for size in (said[name] for name in names if said.get(name) is not None):
        if isinstance(size, dict):
            height, width = (size.get(side, size.get("shortest_edge")) for side in ("height", "width"))
            if height is None or width is None:
                continue
            return int(height), int(width)
        return (int(size[0]), int(size[1])) if isinstance(size, list) else (int(size), int(size))
    return None


def _by(size: Any) -> str:
    return "×".join(map(str, size))
