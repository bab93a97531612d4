"""`modrack` and `python -m modrack`: the same door."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line with this process's arguments, and end it with the exit code."""
    from modrack.cli.door import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
