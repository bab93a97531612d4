"""`modrack rerun`: a past run once more, with changes if one likes."""

from __future__ import annotations

import click


@click.command(
    "rerun",
    context_settings={"ignore_unknown_options": True, "help_option_names": ["-h", "--help"]},
    epilog="Takes all that `modrack train` takes; `modrack train --from-run RUN` is the same.",
)
@click.argument("run", metavar="RUN")
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[PATH=VALUE]...")
@click.option("--exact", is_flag=True, help="Refuse if anything is different from then.")
@click.pass_context
def command(ctx: click.Context, /, run: str, words: tuple[str, ...], exact: bool) -> int:
    """Train RUN again, as a new run: its configuration and its plugin files, and what is said here on top.

    \b
    modrack rerun 12
    modrack rerun 12 seed=1 optimizer.lr=0.01
    modrack rerun 12 --exact
    """
    from modrack.cli.train import command as train

    args = ["--from-run", run, *(["--exact"] if exact else []), *words]
    with train.make_context("rerun", args, parent=ctx.parent) as inner:
        code: int = train.invoke(inner)
        return code
