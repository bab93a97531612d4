"""Paths, listed here and not by the shell: half of them stand behind a `path=`."""

from __future__ import annotations

import os

from click.shell_completion import CompletionItem

# The word goes on behind these: `model.`, `epochs=`, `folder/`.
_OPEN = ("=", ".", "/")


def is_open(word: str) -> bool:
    """Whether something is to follow within the same word."""
    return word.endswith(_OPEN)


def paths(
    begun: str, endings: tuple[str, ...] = ("",), lead: str = "", files: bool = True
) -> list[CompletionItem[str]]:
    """Files that end in one of `endings`, and folders, whose path begins with `begun`; `lead` goes before each."""
    folder, name = os.path.split(begun)
    try:
        entries = sorted(os.scandir(os.path.expanduser(folder) or "."), key=lambda entry: entry.name)
    except OSError:
        return []
    found = []
    for entry in entries:
        if not entry.name.startswith(name) or (entry.name.startswith(".") and not name.startswith(".")):
            continue
        if entry.is_dir():
            found.append(CompletionItem(f"{lead}{os.path.join(folder, entry.name)}/"))
        elif files and entry.name.endswith(endings):
            found.append(CompletionItem(f"{lead}{os.path.join(folder, entry.name)}"))
    return found


def listed(item: CompletionItem[str]) -> list[CompletionItem[str]]:
    """What click leaves to the shell: an item that says "files here", or "folders here"."""
    return paths(item.value, files=item.type == "file")
