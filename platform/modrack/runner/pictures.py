"""Pictures that a run keeps: files in its folder, which `runs show` lists."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

FOLDER = "pictures"


def keep_picture(run_folder: Path, name: str, picture: Any) -> Path:
    """Write `picture` below `pictures/`: an image of Pillow as PNG, or a text under a name with its ending.

    Raises ValueError for a name that leads elsewhere.
    """
    file = name if isinstance(picture, str) else f"{name}.png"
    if Path(file).name != file or file.startswith("."):
        raise ValueError(f"{name!r} is no plain name of a picture")
    place = run_folder / FOLDER / file
    place.parent.mkdir(exist_ok=True)
    # Beside it first: who looks while the run goes on sees whole pictures.
    aside = place.with_name(f".{file}.{os.getpid()}")
    if isinstance(picture, str):
        aside.write_text(picture, "utf-8")
    else:
        picture.save(aside, format="PNG")
    aside.replace(place)
    return place
