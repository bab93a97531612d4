"""`modrack resume`: go on with a run that was stopped."""

from __future__ import annotations

from pathlib import Path

import click

from modrack.cli.rack import debug_flag, home_flag, json_flag
from modrack.cli.text import as_json
from modrack_registry.errors import RunFailed


@click.command("resume")
@click.argument("run")
@click.option("--checkpoint", type=click.Path(path_type=Path), metavar="FOLDER", help="Go on from this one.")
@click.option("--allow-changes", is_flag=True, help="Go on although components or rows are not what they were.")
@json_flag
@home_flag
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors.")
@debug_flag
@click.pass_context
def command(
    ctx: click.Context,
    run: str,
    checkpoint: Path | None,
    allow_changes: bool,
    json_: bool,
    home: Path | None,
    quiet: bool,
) -> int:
    """Train RUN to its end from its newest whole checkpoint, as if it had never been stopped.

    \b
    modrack resume 3
    """
    from modrack.cli.quiet import hush
    from modrack.cli.screen import choose_screen, result_object

    hush(debug="--debug" in ctx.args)
    screen = choose_screen(json_, quiet, home)
    try:
        from modrack.runner.resumption import resume
        from modrack_registry.store import open_store

        done = resume(
            open_store(home).resolve(run), home=home, checkpoint=checkpoint, allow_changes=allow_changes, report=screen
        )
    except RunFailed as error:
        if json_ and error.run is not None:
            click.echo(as_json(result_object(error.run)))
        raise
    finally:
        screen.close()
    if done is None:
        return 0
    if json_:
        click.echo(as_json(result_object(done)))
    return 130 if done.status == "interrupted" else 0
