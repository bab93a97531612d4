"""`modrack train --profile` and `--find-lr`: trials that keep nothing."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from modrack.cli.text import as_json, columns
from modrack_registry.errors import UserError

if TYPE_CHECKING:
    from modrack.configure.experiment import Experiment


def show_profile(experiment: Experiment, trace: Path | None, json_: bool) -> list[str]:
    """Lines that say where the time of a step goes."""
    from modrack.runner.build import build
    from modrack.runner.profile import profile

    if trace is not None and not trace.absolute().parent.is_dir():
        raise UserError(f"--trace {trace}: there is no such folder.", "Make it first.")
    found = profile(build(experiment), trace)
    if json_:
        facts = {"step": found.step, "seconds": found.seconds, "slowest": found.slowest}
        more = {"operations": dict(found.operations), "rows_per_second": found.rows_per_second}
        return [as_json(facts | more)]
    parts = sorted(found.seconds.items(), key=lambda pair: -pair[1])
    lines = [
        *found.words(),
        "",
        *columns([(part, f"{each * 1000:.3f} ms", f"{each / found.step:.0%}") for part, each in parts], indent="  "),
        "",
        "costliest operations, a step",
        *columns([(name, f"{each * 1000:.3f} ms") for name, each in found.operations], indent="  "),
    ]
    return [*lines, "", f"trace in {trace}: open it at ui.perfetto.dev"] if trace is not None else lines


def show_rates(experiment: Experiment, json_: bool) -> list[str]:
    """Lines that say which learning rate to begin with."""
    from modrack.runner.build import build
    from modrack.runner.find_lr import find_lr

    found = find_lr(build(experiment))
    if json_:
        return [as_json(vars(found) | {"best": found.best})]
    from uniplot import plot_to_string

    drawn = plot_to_string(
        xs=found.rates, ys=found.losses, lines=True, x_as_log=True, width=80, height=14, color=False,
        character_set="braille" if "utf" in (sys.stdout.encoding or "").lower() else "ascii",
        title="smoothed loss over the learning rate",
    )  # fmt: skip
    return [
        drawn.rstrip(),
        "",
        f"The loss falls fastest at {found.steepest:.1e} and is least at {found.least:.1e}.",
        f"Begin with a tenth of that: optimizer.lr={found.best:.1g}",
    ]
