"""What leaves when a run has ended: each chosen exporter writes into the run's folder."""

from __future__ import annotations

from pathlib import Path

from modrack.runner.parts import Parts
from modrack.runner.rig import Rig
from modrack_registry.errors import UserError


def export(rig: Rig, trained: Parts, folder: Path) -> list[Path]:
    """Call the chosen exporters with the trained parts; gives the paths they wrote, below `folder`/exported.

    A model of one part is given as its module, of several as a dict. Raises UserError where one wrote nothing.
    """
    written: list[Path] = []
    for choice in rig.experiment.many("exporter"):
        component = choice.component
        place = folder / "exported" / component.name
        place.mkdir(parents=True, exist_ok=True)
        parts = {name: part.eval().cpu() for name, part in trained.items()}
        model = next(iter(parts.values())) if len(parts) == 1 else parts
        made = component.make({"model": model, "data": rig.data, "folder": place}, choice.options)
        paths = [Path(each) for each in (made if isinstance(made, (list, tuple)) else [made] if made else [])]
        missing = [path for path in paths if not path.exists()]
        if missing or not paths:
            what = f"returned {missing[0]}, which is not there" if missing else "returned no path"
            raise UserError(
                f"exporter {component.full} ({component.file}) {what}.", "Return the path, or the paths, it wrote."
            )
        written += paths
    return written
