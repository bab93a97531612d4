"""`modrack` and `python -m modrack`: the same door."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command line with this process's arguments, and end it with the exit code."""
    from modrack.cli.door import run

    code = run(sys.argv[1:])
    if os.environ.get("WORLD_SIZE", "1") not in ("", "1"):
        # All is written by now. Torn down in Python's order, a thread of the process group that is still there now and
        # then aborts the process ("terminate called without an active exception"), and torchrun fails the whole run.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code or 0)
    sys.exit(code)


if __name__ == "__main__":
    main()
