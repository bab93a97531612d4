"""Kinds, components and plugins by name."""

from __future__ import annotations

import glob
from collections import Counter
from typing import cast

import click
from click.shell_completion import CompletionItem

from modrack.cli.rack import load
from modrack_registry.registry import Registry


def registry_of(context: click.Context) -> Registry:
    """The registry as the flags so far ask for it; a command that has loaded one already has it in its context."""
    if "registry" not in context.meta:
        given = context.params
        files = [name for name in given.get("plugin") or () if name.endswith(".py")]
        context.meta["registry"] = load(context, files, given.get("without") or ())
    return cast(Registry, context.meta["registry"])


def kinds(context: click.Context, begun: str) -> list[CompletionItem[str]]:
    """The kinds there are."""
    known = registry_of(context).kinds
    return [CompletionItem(name, help=kind.summary) for name, kind in known.items() if name.startswith(begun)]


def components(context: click.Context, kind: str, begun: str) -> list[CompletionItem[str]]:
    """The components of a kind: bare names while they are unique, full ones where they are not or were begun."""
    registry = registry_of(context)
    found = registry.components(kind, f"{glob.escape(begun)}*")
    several = Counter(each.name for each in registry.components(kind)) if found else Counter()
    items = []
    for each in found:
        bare = each.name.startswith(begun) and several[each.name] < 2
        items.append(CompletionItem(each.name if bare else each.full, help=each.summary))
    return items


def plugins(begun: str) -> list[CompletionItem[str]]:
    """Installed plugins; none is imported."""
    from modrack_registry.discovery import find_sources

    found = {source.plugin: source.version for source in find_sources()}
    return [CompletionItem(name, help=version) for name, version in found.items() if name.startswith(begun)]
