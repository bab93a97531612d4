"""A plugin of the tests of resuming: kills the process at a step, once, as hard as can be."""

import os
import signal

import modrack


@modrack.callback
class Killer:
    """Kills the process at a step."""

    def __init__(self, *, at: int = 0):
        self.at = at

    def stepped(self, training):
        if training.step == self.at and not (training.folder / "killed").exists():
            (training.folder / "killed").write_text("")
            os.kill(os.getpid(), signal.SIGKILL)
