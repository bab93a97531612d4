"""The arguments of `modrack train`, read twice: what decides about loading first, since the plugins that are loaded say
which kinds there are, and each kind has a flag."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from modrack.cli.rack import load
from modrack_registry.errors import UserError
from modrack_registry.registry import Registry
from modrack_registry.suggest import did_you_mean

if TYPE_CHECKING:
    from modrack_registry.store import Run

# Flags that no value follows.
_BARE = (
    *("--json", "--print-config", "--dry-run", "--quiet", "--debug", "--help"),
    *("--exact", "--no-diff", "--queue", "--profile", "--find-lr"),
)


class TrainCommand(click.Command):
    """A command with one more flag for each kind in the registry, which is loaded while the arguments are read."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta["kinds"] = {}
        given = ctx.meta["given"] = list(args)
        if "registry" not in ctx.meta:
            from modrack.configure.local import local_plugins

            ahead = _ahead(args)
            word = ahead.file
            file = ctx.meta["file"] = None if word is None else Path(word)
            ctx.meta["file word"] = word
            past = ctx.meta["past"] = _past(ahead)
            kept = sorted((past.folder / "plugins").rglob("*.py")) if past is not None else []
            # What is said here wins over what the run kept of the same name.
            names = {Path(each).stem for each in ahead.plugin}
            local = [*local_plugins(file), *(each for each in kept if each.stem not in names)]
            ctx.meta["registry"] = load(ctx, ahead.plugin, ahead.without, local)
        rest = super().parse_args(ctx, args)
        ctx.meta["given"] = given
        return rest

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        params = super().get_params(ctx)
        registry: Registry | None = ctx.meta.get("registry")
        taken = {name for param in params for name in param.opts}
        flags: list[click.Parameter] = [
            click.Option(
                [f"--{kind.name}", f"kind_{kind.name}"],
                multiple=True,
                metavar="NAME",
                help=f"{kind.summary[:1].upper()}{kind.summary[1:]}{' (repeatable)' if kind.many else ''}.",
            )
            for kind in (registry.kinds.values() if registry is not None else ())
            if f"--{kind.name}" not in taken
        ]
        return [*params[:1], *flags, *params[1:]]

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from modrack.configure.settings import settings_options

        with formatter.section("Settings (NAME=VALUE)"):
            formatter.write_dl([(path, f"{each.help} [{each.label}]") for path, each in settings_options().items()])
        super().format_epilog(ctx, formatter)


def sort_words(registry: Registry, words: Sequence[str], ctx: click.Context) -> tuple[list[str], list[UserError]]:
    """The words that are for the configuration, and what is wrong with the others."""
    kept: list[str] = []
    mistakes: list[UserError] = []
    known = [name for param in ctx.command.get_params(ctx) for name in param.opts if name.startswith("--")]
    skip = False
    for index, word in enumerate(words):
        if skip:
            skip = False
        elif word.startswith("-") and word != "-":
            flag = word.partition("=")[0]
            mistakes.append(UserError(f"There is no option {flag}.", did_you_mean(flag, known, limit=4)))
            after = words[index + 1] if index + 1 < len(words) else "="
            skip = "=" not in word and not after.startswith("-") and "=" not in after
        elif word == ctx.meta["file word"]:
            if not Path(word).exists():
                mistakes.append(_no_file(registry, word))
                ctx.meta["file"] = None
        else:
            kept.append(word)
    return kept, mistakes


def _no_file(registry: Registry, word: str) -> UserError:
    for kind in registry.kinds:
        if any(each.name == word or each.full == word for each in registry.components(kind)):
            return UserError(f"There is no file {word!r}.", f"{word} is a {kind}: --{kind} {word}")
    return UserError(f"There is no file {word!r}.", "An experiment file, or words as in model.width=64 or epochs=5.")


@dataclass
class Ahead:
    """What decides about loading, read before the flags of the kinds are known."""

    plugin: list[str]
    without: list[str]
    file: str | None
    from_run: str | None
    home: str | None


def _ahead(args: Sequence[str]) -> Ahead:
    found: dict[str, list[str]] = {"--plugin": [], "--without": [], "--from-run": [], "--home": []}
    file: str | None = None
    index = 0
    while index < len(args):
        word, equals, value = args[index].partition("=")
        if word in found:
            index += not equals
            # One without a value is click's to complain of.
            if index < len(args):
                found[word].append(value if equals else args[index])
        elif word.startswith("--") and not equals and word not in _BARE:
            index += 1  # A kind's flag, or an unknown one: its value is no file.
        elif file is None and not word.startswith("-") and (not equals or args[index].endswith(".toml")):
            file = args[index]
        index += 1
    runs, homes = found["--from-run"], found["--home"]
    return Ahead(found["--plugin"], found["--without"], file, runs[-1] if runs else None, homes[-1] if homes else None)


def _past(ahead: Ahead) -> Run | None:
    if ahead.from_run is None:
        return None
    from modrack_registry.store import open_store

    return open_store(Path(ahead.home) if ahead.home else None).find(ahead.from_run)
