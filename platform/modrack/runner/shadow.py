"""What callbacks of the other processes see of a training whose weights are sharded.

None of its processes can ask the model alone, so the callbacks run in all of them, and those of the main one count:
what the others write goes into a folder that is thrown away.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from modrack.runner.pictures import keep_picture


class Shadow:
    """A training as it is, but for its folder."""

    def __init__(self, training: Any) -> None:
        # Kept as an object: it deletes the folder when it goes.
        scratch = tempfile.TemporaryDirectory(prefix="modrack-")
        self.__dict__.update(_training=training, _scratch=scratch, folder=Path(scratch.name))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["_training"], name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._training, name, value)

    def picture(self, name: str, picture: Any) -> Path:
        """Like that of the training."""
        return keep_picture(self.folder, name, picture)
