"""`modrack check`: what is wrong with a plugin, before any user finds it."""

from __future__ import annotations

import warnings

import click

from modrack.cli.rack import debug_flag, json_flag
from modrack.cli.text import as_json, bold


@click.command("check")
@click.argument("target")
@click.option("--only", multiple=True, metavar="GLOB", help="Check these parts alone (repeatable).")
@json_flag
@debug_flag
def command(target: str, only: tuple[str, ...], json_: bool) -> int:
    """Try every part of a plugin: a .py FILE, a folder with a pyproject.toml, or an installed plugin's name.

    \b
    modrack check my_net.py
    modrack check ./modrack-audio
    modrack check modrack --only 'torch/*'
    """
    from modrack.testing.kit import checks_of

    warnings.simplefilter("ignore")
    rows = []
    last = ""
    for check in checks_of(target, only):
        part = check.subject.component
        if not json_ and str(check.subject) != last:
            last = str(check.subject)
            click.echo(bold(last))
        outcome = check.outcome()
        place = {"kind": part.kind.name, "name": part.name, "file": part.file}
        rows.append({**place, "check": check.name, "outcome": outcome.state, "reason": outcome.reason})
        if not json_:
            reason = f"\n         {outcome.reason}".replace("\n  ", "\n           ") if outcome.reason else ""
            click.echo(f"  {outcome.state:<6} {check.says or check.name}{reason}")
    counts = {state: sum(row["outcome"] == state for row in rows) for state in ("passed", "failed", "n/a")}
    if json_:
        click.echo(as_json({"checks": rows, **counts}))
    else:
        click.echo(f"\n{counts['passed']} passed, {counts['failed']} failed, {counts['n/a']} did not apply")
    return 1 if counts["failed"] else 0
