"""The names of a family, kept as JSON in the user's cache, since asking the library takes seconds.

A file's name is made of all that the names depend on: versions of modrack, plugin and library, and the code that
asks. So nothing is ever out of date, and environments with other versions do not disturb each other. A cache that
cannot be read or written is no mistake: the names are then asked for each time.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from modrack_registry.family import Offer


def cache_folder() -> Path | None:
    """MODRACK_CACHE, or `modrack` in the user's cache folder; None where there is no home."""
    chosen = os.environ.get("MODRACK_CACHE")
    if chosen:
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME")
    if base and os.path.isabs(base):  # The XDG specification wants others ignored.
        return Path(base) / "modrack"
    try:
        return Path.home() / ".cache" / "modrack"
    except RuntimeError:
        return None


def read_index(offer: Offer) -> dict[str, str] | None:
    """{name: summary} as written for these versions; None where there is no such file, or it is damaged."""
    path = _path(offer)
    if path is None:
        return None
    try:
        names = json.loads(path.read_text("utf-8"))["names"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if not isinstance(names, dict) or not all(isinstance(summary, str) for summary in names.values()):
        return None
    return names


def write_index(offer: Offer, names: dict[str, str]) -> None:
    """Keep `names`; written aside and renamed, so that nobody reads half of it."""
    path = _path(offer)
    if path is None:
        return
    import tempfile

    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, aside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump({"family": f"{offer.kind.name} {offer.label}", "names": names}, file, ensure_ascii=False)
            os.replace(aside, path)
        except BaseException:
            os.unlink(aside)
            raise


def _path(offer: Offer) -> Path | None:
    folder = cache_folder()
    if folder is None:
        return None
    said = [_modrack(), offer.plugin.name, offer.plugin.version, offer.family.library, offer.release, _code(offer)]
    digest = hashlib.sha256(json.dumps(said).encode()).hexdigest()[:16]
    return folder / "families" / f"{offer.kind.name}-{offer.family.prefix}-{digest}.json"


def _modrack() -> str:
    try:
        return importlib.metadata.version("modrack")
    except importlib.metadata.PackageNotFoundError:
        return ""


def _code(offer: Offer) -> str:
    """A digest of the file that asks for the names: a plugin being written has one version for many states."""
    code = getattr(offer.family.names, "__code__", None)
    try:
        return hashlib.sha256(Path(code.co_filename).read_bytes()).hexdigest() if code is not None else ""
    except OSError:
        return ""
