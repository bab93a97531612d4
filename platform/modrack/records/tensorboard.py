"""Reads the event files that SummaryWriter, Lightning and others write, with the package tensorboard."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from modrack.records.importing import Foreign
from modrack_registry.errors import UserError


def read_tensorboard(folder: Path) -> Iterator[Foreign]:
    """A run for each folder with event files at or below `folder`, oldest first; its scalars are metrics."""
    try:
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    except ImportError:
        raise UserError("Event files need the package tensorboard.", "pip install 'modrack[tensorboard]'") from None
    folders = sorted({file.parent for file in folder.rglob("*tfevents*") if file.is_file()})
    if not folders:
        raise UserError(f"{folder} has no event files.", "Give the folder that SummaryWriter wrote into.")
    found = []
    for each in folders:
        # 0 keeps every point; the default is a sample of them.
        events = EventAccumulator(str(each), size_guidance={"scalars": 0})
        events.Reload()
        names = events.Tags()["scalars"]
        if names:
            points = [event for name in names for event in events.Scalars(name)]
            started, ended = min(each.wall_time for each in points), max(each.wall_time for each in points)
            found.append((started, ended, each, events))
    for started, ended, each, events in sorted(found, key=lambda one: one[0]):
        relative = each.relative_to(folder)
        yield Foreign(
            source=f"tensorboard:{each.resolve()}",
            name=str(relative) if relative.parts else folder.resolve().name,
            status="finished",
            started=started,
            ended=ended,
            params={},
            points=partial(_points, events),
        )


def _points(events: Any) -> Iterator[tuple[str, int, float, float]]:
    for name in events.Tags()["scalars"]:
        for event in events.Scalars(name):
            # TensorBoard groups by what stands before a slash, modrack by what stands before a point.
            yield name.replace("/", "."), event.step, event.value, event.wall_time
