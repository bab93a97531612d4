"""Whether there is a place on the disk for a run."""

from __future__ import annotations

import shutil
from pathlib import Path

from modrack_registry.errors import UserError

# Bytes that every run takes.
ROOM = 16 << 20
# Weights and two moments in fp32, twice: a checkpoint is written before the older one goes.
BYTES_A_PARAMETER = 4 * 3 * 2


def check_room(home: Path, parameters: int | None = None) -> None:
    """Raise UserError where runs cannot be kept in `home`, or not one of a model with so many `parameters`."""
    wanted = ROOM if parameters is None else parameters * BYTES_A_PARAMETER
    place = home
    while not place.exists():
        place = place.parent
    if not place.is_dir():
        raise UserError(
            f"{home}: {place} is a file, so no run can be kept there.", "Choose a folder with --home FOLDER."
        )
    try:
        free = shutil.disk_usage(place).free
    except OSError as error:
        raise UserError(f"{home}: {error.strerror}.", "Choose a folder with --home FOLDER.") from None
    if free < wanted:
        raise UserError(
            f"{home}: {free / 1e6:.0f} MB are free on the disk; this run needs about {wanted / 1e6:.0f} MB.",
            "Make room, or choose a folder elsewhere with --home FOLDER.",
        )
