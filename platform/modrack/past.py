"""Past runs that an option names, as in `model.checkpoint=run:7`: looked for where the present run is kept."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING

from modrack_registry.errors import UserError

if TYPE_CHECKING:
    from modrack_registry.store import Run

_SPELLED = re.compile(r"run:(\d+)(?:/([\w.-]+))?")
_home: ContextVar[Path | None] = ContextVar("home", default=None)


def past_run(said: str) -> Run | None:
    """The run that `run:7` means; None for what does not begin with `run:`. Raises UserError where there is none."""
    named = _read(said)
    if named is None:
        return None
    from modrack.api import runs

    number, _ = named
    found = list(runs(f"id={number}", home=_home.get()).limit(1))
    if not found:
        raise UserError(f"{said}: there is no run {number}.", "`modrack runs list` shows what there is.")
    return found[0]


def run_checkpoint(said: str) -> Path | None:
    """The folder of the best weights of `run:7`, or of `run:7/last`, `run:7/step-00000500`; None as `past_run`.

    Raises UserError where there is no such run, or no whole checkpoint of that name.
    """
    run, named = past_run(said), _read(said)
    if run is None or named is None:
        return None
    from modrack.runner.stored import stored_checkpoint

    return stored_checkpoint(run, named[1] or "best")


@contextlib.contextmanager
def looking_in(home: Path | None) -> Iterator[None]:
    """Past runs are those kept in `home`; None: where runs are usually kept."""
    before = _home.set(home)
    try:
        yield
    finally:
        _home.reset(before)


def _read(said: str) -> tuple[int, str | None] | None:
    if not said.startswith("run:"):
        return None
    match = _SPELLED.fullmatch(said)
    if match is None:
        raise UserError(f"{said} names no run.", "Write run:7, or run:7/last for another checkpoint than the best.")
    return int(match[1]), match[2]
