"""Plugins that come along with an experiment file."""

from __future__ import annotations

from pathlib import Path


def local_plugins(file: str | Path | None) -> list[Path]:
    """The `*.py` files directly in the `plugins/` folder beside an experiment file, by name; none without a file."""
    if file is None:
        return []
    return [path for path in sorted((Path(file).parent / "plugins").glob("*.py")) if path.name != "__init__.py"]
