"""Kinds, components and plugins by name."""

from __future__ import annotations

import glob
from collections import Counter
from typing import cast

import click
from click.shell_completion import CompletionItem

from modrack.cli.rack import load
from modrack_registry.family import Offer
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
    """The components of a kind: bare names while they are unique, full ones where they are not or were begun.

    Those of a family come once its prefix is typed, and only from an index that is made already: making one imports
    the library.
    """
    registry = registry_of(context)
    registry.kind(kind)
    families = in_families(registry, kind, begun)
    if families:
        return [
            CompletionItem(f"{lead}{name}", help=summary)
            for lead, offer in families
            for name, summary in sorted((offer.known or {}).items())
            if f"{lead}{name}".startswith(begun)
        ]
    found = registry.listing(kind, f"{glob.escape(begun)}*")
    several = Counter(each.name for each in registry.listing(kind)) if found else Counter()
    items = []
    for each in found:
        bare = each.name.startswith(begun) and several[each.name] < 2
        items.append(CompletionItem(each.name if bare else each.full, help=each.summary))
    prefixes = {f"{offer.family.prefix}/" for offer in registry.families.of(kind) if not offer.missing}
    return items + [CompletionItem(each, help="a family") for each in sorted(prefixes) if each.startswith(begun)]


def in_families(registry: Registry, kind: str, name: str) -> list[tuple[str, Offer]]:
    """The families that `name` is in, each with the prefix by which it names them."""
    return [
        (lead, offer)
        for offer in registry.families.of(kind)
        for lead in (f"{offer.family.prefix}/", f"{offer.plugin.name}/{offer.family.prefix}/")
        if name.startswith(lead)
    ]


def plugins(begun: str) -> list[CompletionItem[str]]:
    """Installed plugins; none is imported."""
    from modrack_registry.discovery import find_sources

    found = {source.plugin: source.version for source in find_sources()}
    return [CompletionItem(name, help=version) for name, version in found.items() if name.startswith(begun)]
