"""What an exporter must do."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path

from torch import nn

from modrack.testing.kit import CheckFailed
from modrack.testing.sample import CLASSES, sample
from modrack.testing.subject import Subject


def check_writes_files(subject: Subject) -> None:
    """It writes below the folder it is given, and says where."""
    data, _ = sample("image")
    model = nn.Sequential(nn.Flatten(), nn.Linear(math.prod(data.shape or ()), CLASSES))
    with tempfile.TemporaryDirectory() as folder:
        made = subject.make(model=model, data=data, folder=Path(folder))
        paths = [Path(each) for each in (made if isinstance(made, (list, tuple)) else [made])]
        for path in paths:
            if not path.exists() or Path(folder).resolve() not in path.resolve().parents:
                raise CheckFailed(
                    f"{subject.component.file}: it returned {path}, which is not a file in the folder given"
                )
