"""The kind `augmentation`: what is done to training batches of images before the task prepares them.

An augmentation is given the data's facts and returns a function of a batch that changes `batch["image"]`, uint8 or fp32
(n, channels, height, width), on the device. It draws from `batch.uniform`, which depends on each row's place in the
order and on nothing else: runs that resume, accumulate or use several processes see the same pictures.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import modrack

augmentation = modrack.component("augmentation")


@modrack.hook
def modrack_kinds() -> Iterable[modrack.Kind]:
    return [
        modrack.Kind(
            "augmentation",
            "how training images are varied",
            ("data",),
            many=True,
            returns="a function that is given a training batch and changes its images, called in the order chosen",
            use=_use,
        )
    ]


def _use(change: Any, rig: Any) -> None:
    if rig.data.gives != "image":
        raise modrack.UserError(
            f"--augmentation is for images, and this dataset gives {rig.data.gives}.", "Leave it out."
        )
    rig.change(change)
