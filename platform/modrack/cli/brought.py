"""The commands that plugins bring (hook `modrack_commands`)."""

from __future__ import annotations

from collections.abc import Container

import click

from modrack_registry.registry import Registry


def brought(registry: Registry, taken: Container[str]) -> dict[str, click.Command]:
    """Commands of plugins, by name; a verb in `taken` wins, and of two the first.

    Who brings what cannot be is blamed for it.
    """
    found: dict[str, click.Command] = {}
    owners: dict[str, str] = {}
    for plugin, command in registry.commands():
        if not isinstance(command, click.Command) or not command.name:
            plugin.blame(f"modrack_commands gave {command!r}; return a list of click.Command with names")
        elif command.name in taken:
            plugin.blame(f"its command {command.name!r} is one of modrack's own; call it otherwise")
        elif owners.setdefault(command.name, plugin.name) != plugin.name:
            plugin.blame(f"its command {command.name!r} is one of plugin {owners[command.name]} too")
        else:
            found.setdefault(command.name, command)
    return found
