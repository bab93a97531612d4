"""The schedulers of torch.optim.lr_scheduler that step with the optimizer: `--scheduler torch/cosine-annealing-lr`.

Their options are torch's own, but that what torch calls epochs are optimizer steps here, and that a length which is
not said is the run's.
"""

from __future__ import annotations

from typing import Any

import modrack
from modrack_plugins.adapters.signatures import Options, carry, option, options_of, spelled, summary_of

_REFUSED = {
    "lambda-lr": "it needs a function of your own; write a scheduler in a plugin: modrack new scheduler NAME.",
    "multiplicative-lr": "it needs a function of your own; write a scheduler in a plugin: modrack new scheduler NAME.",
    "sequential-lr": "it needs other schedulers; write a scheduler in a plugin: modrack new scheduler NAME.",
    "chained-scheduler": "it needs other schedulers; write a scheduler in a plugin: modrack new scheduler NAME.",
    "reduce-lr-on-plateau": "it waits for evaluations. The built-in one does so: --scheduler plateau.",
}
# `last_epoch` is for resuming, which the runner does; `total_steps` is the run's, and two more that it follows from.
_SKIP = ("optimizer", "last_epoch", "verbose", "total_steps", "epochs", "steps_per_epoch")
# What the run knows, where nobody says it.
_LENGTHS = ("T_max",)
_EXAMPLES: dict[str, dict[str, Any]] = {
    "step-lr": {"step_size": 5},
    "multi-step-lr": {"milestones": [5, 10]},
    "exponential-lr": {"gamma": 0.9},
    "cyclic-lr": {"base_lr": 0.01, "max_lr": 0.5, "step_size_up": 4},
    "cosine-annealing-warm-restarts": {"T_0": 5},
}


@modrack.hook
def modrack_families() -> list[modrack.Family]:
    """torch/* among the schedulers."""
    return [
        modrack.Family("scheduler", "torch", _names, _make, library="torch", refused=_REFUSED),
    ]


def _names() -> dict[str, str]:
    return {name: summary_of(made) for name, made in _classes().items() if name not in _REFUSED}


def _classes() -> dict[str, Any]:
    from torch.optim import lr_scheduler

    found = {name: getattr(lr_scheduler, name) for name in lr_scheduler.__all__ if name != "LRScheduler"}
    return {spelled(name): made for name, made in sorted(found.items())}


def _make(name: str) -> Any:
    made = _classes()[name]
    totalled = "total_steps" in made.__init__.__code__.co_varnames

    def scheduler(optimizer: Any, steps: int, **options: Any) -> Any:
        from modrack_plugins.adapters.stepped import Stepped

        for length in _LENGTHS:
            if length in options and options[length] is None:
                options[length] = steps
        if "max_lr" in options and options["max_lr"] is None:
            options["max_lr"] = [float(group["lr"]) for group in optimizer.param_groups]
        if totalled:
            # Two at least: with one there is no way between the first step and the last.
            options["total_steps"] = max(2, steps)
        try:
            return Stepped(made(optimizer, **options))
        except (ValueError, TypeError) as error:
            raise modrack.UserError(f"scheduler torch/{name}: {error}.") from None

    doc = f"{summary_of(made)}.\n\ntorch.optim.lr_scheduler.{made.__name__}; an epoch there is an optimizer step here."
    carried = carry(scheduler, ("optimizer", "steps"), _options(made, totalled), doc)
    return modrack.scheduler(example=_EXAMPLES.get(name))(carried)


def _options(made: Any, totalled: bool) -> Options:
    options = options_of(made.__init__, made.__doc__, _SKIP)
    for length in _LENGTHS:
        if length in options:
            options[length] = option(length, int | None, None, "steps; none: those of the run")
    if totalled and "max_lr" in options:
        options["max_lr"] = option("max_lr", float | None, None, "the peak; none: the optimizer's learning rate")
    return options
