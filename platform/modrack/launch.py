"""Several processes on one machine, by PyTorch's own launcher (torchrun), with modrack's exit codes."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path

from modrack_registry.errors import UserError


def launch(processes: int, args: Sequence[str], *, restarts: int = 0) -> int:
    """Run `modrack` with `args` in `processes` processes that train together. Returns the exit code.

    Where one dies, all are started again, at most `restarts` times, and go on from the newest checkpoint. Raises
    UserError where several processes run already.
    """
    if "RANK" in os.environ:
        raise UserError("--processes: this is one of several processes already.", "Leave it out under torchrun.")
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import main

    # What it says of a failed process, the process has said better.
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)
    logging.getLogger("torch.distributed.run").setLevel(logging.ERROR)
    try:
        main(
            [
                *("--standalone", "--nproc-per-node", str(processes), "--max-restarts", str(restarts)),
                *("-m", "modrack", *args),
            ]
        )
    except ChildFailedError as error:
        code = error.get_first_failure()[1].exitcode
        return code if code > 0 else 1
    return 0


def restarted() -> bool:
    """Whether the launcher started this process again after one had died."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")) > 0


def will_restart() -> bool:
    """Whether the launcher starts this process again if it fails now."""
    done = int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"))
    return done < int(os.environ.get("TORCHELASTIC_MAX_RESTARTS", "0"))


def launched_run(home: Path) -> int | None:
    """The run that this launch recorded before it was restarted."""
    file = _file(home)
    return int(file.read_text("ascii")) if file is not None and file.exists() else None


def note_run(home: Path, run: int) -> None:
    """Keep which run this launch records, for a restart."""
    file = _file(home)
    if file is not None:
        file.write_text(str(run), "ascii")


def forget_run(home: Path) -> None:
    """The launch has ended, and will not be restarted."""
    file = _file(home)
    if file is not None:
        file.unlink(missing_ok=True)


def _file(home: Path) -> Path | None:
    name = os.environ.get("TORCHELASTIC_RUN_ID")
    if not name or int(os.environ.get("TORCHELASTIC_MAX_RESTARTS", "0")) == 0:
        return None
    return home / f".launch-{''.join(char for char in name if char.isalnum())}"
