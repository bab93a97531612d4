"""Whether the modrack that is here is one that a distribution wants: its Requires-Dist, read before it is imported."""

from __future__ import annotations

import re
from collections.abc import Iterable

# The common case, read here: `packaging` costs a seventh of what `modrack list` takes.
_AT_LEAST = re.compile(r">=\s*(\d+(?:\.\d+)*)")
_NAMED = re.compile(r"\s*modrack\s*(?:\[[^]]*\])?\s*\(?([^;)]*)\)?\s*(?:;(.*))?$", re.IGNORECASE)


def unmet(requires: Iterable[str], here: str | None) -> str | None:
    """Which modrack `requires` (lines of Requires-Dist) want, where `here` is not that; None where it is.

    A line that cannot be read says nothing: whether a distribution is well made is for its installer to tell.
    """
    for line in requires:
        match = _NAMED.match(line)
        if match is None or here is None or (match[2] and "extra" in match[2]):
            continue
        wanted = match[1].strip()
        if wanted and not _fits(wanted, here, match[2]):
            return f"modrack{wanted}"
    return None


def _fits(wanted: str, here: str, marker: str | None) -> bool:
    simple = _AT_LEAST.fullmatch(wanted)
    if simple and not marker and re.fullmatch(r"\d+(\.\d+)*", here):
        return _numbers(here) >= _numbers(simple[1])
    from packaging.markers import InvalidMarker, Marker
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        if marker and not Marker(marker).evaluate():
            return True
        return SpecifierSet(wanted).contains(here, prereleases=True)
    except (InvalidMarker, InvalidSpecifier):
        return True


def _numbers(version: str) -> tuple[int, ...]:
    """(1, 2) for both 1.2 and 1.2.0."""
    numbers = [int(number) for number in version.split(".")]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)
