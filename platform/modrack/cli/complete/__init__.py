"""What Tab offers. The shell's script asks `modrack` itself, with the line so far in the environment.

`shells` speaks each shell's language, on click's engine; `parameters` knows what fits which parameter; `parts`,
`words`, `runs` and `files` find it. Nothing here imports torch, pydantic or a database's library.
"""

from __future__ import annotations

import os

# Where a script says what it wants: bash_complete, zsh_complete, fish_complete.
VARIABLE = "_MODRACK_COMPLETE"


def answer() -> int:
    """Print what completes the line in COMP_LINE. Whatever goes wrong, a shell gets no more than silence."""
    try:
        from modrack.cli.complete.shells import SHELLS
        from modrack.cli.verbs import modrack

        shell = SHELLS[os.environ[VARIABLE].partition("_")[0]]
        said = shell(modrack, {}, "modrack", VARIABLE).complete()
        if said:
            print(said)
    except Exception:
        if "--debug" in os.environ.get("COMP_LINE", ""):
            raise
        return 1
    return 0
