"""Run numbers, read from the database's file directly: SQLAlchemy alone would take longer than a person waits."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import click
from click.shell_completion import CompletionItem

HOME, FILE = "modrack-runs", "runs.db"
# A list that is longer helps nobody.
MOST = 200


def numbers(context: click.Context, begun: str) -> list[CompletionItem[str]]:
    """The numbers of the newest runs, with what they were; none where they are kept on a server. `@last` always."""
    if begun.startswith("@"):
        return [CompletionItem("@last", help="the newest run")] if "@last".startswith(begun) else []
    url = os.environ.get("MODRACK_DB", "")
    if url and not url.startswith("sqlite:///"):
        return []
    home = Path(context.params.get("home") or os.environ.get("MODRACK_HOME") or HOME).expanduser()
    file = Path(url.removeprefix("sqlite:///")) if url else home / FILE
    if not file.is_file():
        return []
    query = (
        "SELECT id, status, model, dataset, name FROM run "
        "WHERE deleted IS NULL AND CAST(id AS TEXT) LIKE ? ORDER BY id DESC LIMIT ?"
    )
    prefix = "".join(letter for letter in begun if letter.isdigit())
    if prefix != begun:
        return []
    address = f"file:{quote(str(file.absolute()))}?mode=ro"
    try:
        with closing(sqlite3.connect(address, uri=True, timeout=0.1)) as connection:
            rows = connection.execute(query, (f"{prefix}%", MOST)).fetchall()
    except sqlite3.Error:
        return []
    return [CompletionItem(str(number), help=" ".join(str(fact) for fact in facts if fact)) for number, *facts in rows]
