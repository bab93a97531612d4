"""bash, zsh and fish: the script that each loads, and how it wants to be answered.

The scripts hand over the line up to the cursor as it stands, and Python takes it apart: bash would break words at `=`,
and half of modrack's words have one.
"""

from __future__ import annotations

import os
import re
from typing import Any

from click.shell_completion import (
    CompletionItem,
    ShellComplete,
    _resolve_context,
    _resolve_incomplete,
    split_arg_string,
)

from modrack.cli.complete.files import is_open, listed
from modrack.cli.complete.parameters import fitting
from modrack.cli.text import cell


class Shell(ShellComplete):
    """What the three have in common."""

    def get_completion_args(self) -> tuple[list[str], str]:
        """The words after `modrack` that are whole, and the one at the cursor."""
        line = os.environ.get("COMP_LINE", "")
        words = split_arg_string(line)
        if line[-1:].isspace() and not line.endswith("\\ "):
            words.append("")
        start = next((index for index, word in enumerate(words) if os.path.basename(word) == self.prog_name), 0)
        words = words[start + 1 :] or [""]
        return words[:-1], words[-1]

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem[str]]:
        """What fits, by modrack's own knowledge, and by click's where it has none."""
        typed = incomplete
        context = _resolve_context(self.cli, self.ctx_args, self.prog_name, args)
        wanted, incomplete = _resolve_incomplete(context, args, incomplete)
        found = fitting(context, wanted, incomplete)
        if found is None:
            found = wanted.shell_complete(context, incomplete)
        items = [each for item in found for each in (listed(item) if item.type in ("file", "dir") else [item])]
        # In --model=c only the part behind the sign was asked for; the shell wants the whole word.
        lead = typed[: len(typed) - len(incomplete)] if typed.startswith("-") and "=" in typed else ""
        return [CompletionItem(f"{lead}{item.value}", help=item.help) for item in items]

    def format_completion(self, item: CompletionItem[Any]) -> str:
        """A line: the word, and behind a tab what it is."""
        return f"{item.value}\t{cell(item.help or '')}"


class Bash(Shell):
    """bash 4.4 or newer. It has no descriptions, and puts a space behind a word only where the word brings one."""

    name = "bash"
    source_template = """\
%(complete_func)s() {
    local program="${1/#\\~/$HOME}"
    mapfile -t COMPREPLY < <(
        env %(complete_var)s=bash_complete COMP_LINE="${COMP_LINE:0:$COMP_POINT}" \\
            COMP_BREAKS="$COMP_WORDBREAKS" "$program" 2>/dev/null
    )
}
complete -o nospace -o nosort -F %(complete_func)s %(prog_name)s
"""

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem[str]]:
        """As bash puts them in: without what stands before the last character at which it breaks words."""
        breaks = set(os.environ.get("COMP_BREAKS", "=:")) & set("=:@")
        broken = max((incomplete.rfind(each) for each in breaks), default=-1) + 1
        return [CompletionItem(item.value[broken:]) for item in super().get_completions(args, incomplete) if item.value]

    def format_completion(self, item: CompletionItem[Any]) -> str:
        """The word, quoted as bash needs it."""
        quoted = re.sub(r"([^\w@%+=:,./~-])", r"\\\1", item.value)
        return quoted if is_open(item.value) else f"{quoted} "


class Zsh(Shell):
    """zsh; the script may be evaluated, or lie as `_modrack` in a folder of `fpath`."""

    name = "zsh"
    source_template = """\
#compdef %(prog_name)s
%(complete_func)s() {
    local word help
    local -a whole whole_shown open open_shown
    while IFS=$'\\t' read -r word help; do
        [[ -n $word ]] || continue
        if [[ $word == *[=./] ]]; then
            open+=("$word"); open_shown+=("$word${help:+  -- $help}")
        else
            whole+=("$word"); whole_shown+=("$word${help:+  -- $help}")
        fi
    done < <(env %(complete_var)s=zsh_complete COMP_LINE="${(j: :)words[1,CURRENT-1]} $PREFIX" \\
        "${(Q)words[1]}" 2>/dev/null)
    (( $#whole )) && compadd -V %(prog_name)s -l -d whole_shown -a whole
    (( $#open )) && compadd -V %(prog_name)s_open -l -S '' -d open_shown -a open
    (( $#whole + $#open ))
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    %(complete_func)s "$@"
else
    compdef %(complete_func)s %(prog_name)s
fi
"""


class Fish(Shell):
    """fish, which leaves the space away behind `=`, `.` and `/` by itself."""

    name = "fish"
    source_template = """\
function %(complete_func)s
    set -l line (commandline -cp | string collect)
    set -l program (commandline -po)[1]
    env %(complete_var)s=fish_complete COMP_LINE="$line" $program 2>/dev/null
end
complete --command %(prog_name)s --no-files --keep-order --arguments '(%(complete_func)s)'
"""


SHELLS: dict[str, type[Shell]] = {"bash": Bash, "zsh": Zsh, "fish": Fish}
