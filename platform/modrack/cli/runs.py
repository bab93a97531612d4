"""`modrack runs`: find past runs again."""

from __future__ import annotations

import click

from modrack.cli.lazy import LazyGroup

VERBS = {
    "list": ("modrack.cli.runs_list", "List runs, the newest first."),
    "show": ("modrack.cli.runs_show", "Show one run: what it was, how it ended."),
    "compare": ("modrack.cli.runs_compare", "What differs between runs, and which is best."),
    "diff": ("modrack.cli.runs_diff", "Why two runs differ: options, data, code, packages."),
    "plot": ("modrack.cli.runs_plot", "Curves in the terminal, or as a picture."),
    "watch": ("modrack.cli.runs_watch", "Follow a run that is going on."),
    "export": ("modrack.cli.runs_export", "Write runs or curves as csv, json, jsonl or parquet."),
    "sql": ("modrack.cli.runs_sql", "Ask in SQL, read-only."),
    "tag": ("modrack.cli.runs_tag", "Put words on a run to find it by."),
    "note": ("modrack.cli.runs_note", "Write a note on a run."),
    "rm": ("modrack.cli.runs_rm", "Take runs out of all lists."),
    "restore": ("modrack.cli.runs_restore", "Bring removed runs back."),
    "gc": ("modrack.cli.runs_gc", "Delete removed runs for good."),
    "import": ("modrack.cli.runs_import", "Bring in runs of MLflow or TensorBoard."),
}


@click.group("runs", cls=LazyGroup, verbs=VERBS)
def command() -> None:
    """Find past runs again.

    \b
    modrack runs list
    modrack runs show 3
    """
