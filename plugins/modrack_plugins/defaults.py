"""The defaults of an experiment, kept as TOML beside this file."""

from __future__ import annotations

from typing import Any

import modrack


@modrack.hook
def modrack_defaults() -> dict[str, Any]:
    """What `modrack train` does where nothing is said."""
    import tomllib
    from importlib.resources import files

    return tomllib.loads(files("modrack_plugins").joinpath("defaults.toml").read_text("utf-8"))
