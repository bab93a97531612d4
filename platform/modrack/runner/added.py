"""Components of kinds that plugins add: made when all else is built, and handed to what their kind does with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modrack_registry.errors import UserError
from modrack_registry.kinds import BUILT_IN_KINDS

if TYPE_CHECKING:
    from modrack.runner.rig import Rig

# What an added kind may ask for with `given`.
OFFERED = ("data", "task", "parts", "steps", "seed")


def use_added(rig: Rig) -> None:
    """Make each chosen component of an added kind, and call the kind's `use` with it and the rig.

    Raises UserError where a kind wants something that there is not.
    """
    built_in = {kind.name for kind in BUILT_IN_KINDS}
    experiment = rig.experiment
    offered: dict[str, Any] = {
        "data": rig.data,
        "task": rig.task,
        "parts": rig.parts,
        "steps": rig.total_steps,
        "seed": experiment.settings.seed,
    }
    for name in experiment.choices:
        kind = experiment.registry.kinds[name]
        if name in built_in or kind.use is None:
            continue
        for choice in experiment.many(name):
            component = choice.component
            missing = [each for each in component.takes_given if each not in offered]
            if missing:
                raise UserError(
                    f"{name} {component.full} ({component.file}) asks for {', '.join(missing)}, which no run has.",
                    f"An added kind is given some of {', '.join(OFFERED)}.",
                )
            kind.use(component.make(offered, choice.options), rig)
