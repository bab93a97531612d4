"""`modrack completion`: the script with which a shell completes modrack's words."""

from __future__ import annotations

import os

import click

from modrack.cli.rack import debug_flag
from modrack_registry.errors import UserError
from modrack_registry.suggest import did_you_mean


@click.command("completion")
@click.argument("shell", required=False, metavar="[bash|zsh|fish]")
@debug_flag
def command(shell: str | None) -> None:
    """Print the script that makes Tab complete commands, parts, options, values and run numbers.

    Without a name it is for the shell you are in ($SHELL).

    \b
    eval "$(modrack completion bash)"                 in ~/.bashrc
    eval "$(modrack completion zsh)"                  in ~/.zshrc, after compinit
    modrack completion fish > ~/.config/fish/completions/modrack.fish
    """
    from modrack.cli.complete import VARIABLE
    from modrack.cli.complete.shells import SHELLS
    from modrack.cli.verbs import modrack

    name = shell or os.path.basename(os.environ.get("SHELL", ""))
    if name not in SHELLS:
        raise UserError(f"There is no completion for the shell {name!r}.", did_you_mean(name, SHELLS))
    click.echo(SHELLS[name](modrack, {}, "modrack", VARIABLE).source().rstrip("\n"))
