"""Reads the database of MLflow's tracking server or local store. MLflow itself is not needed.

Its tables are those of the SQL store of MLflow 1.x to 3.x (mlflow/store/tracking/dbmodels/models.py).
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from modrack.records.importing import Foreign
from modrack_registry.errors import UserError

# A deleted run is not brought in; one that never ended was interrupted.
_STATUS = {"FINISHED": "finished", "FAILED": "failed", "KILLED": "interrupted"}


def read_mlflow(file: Path) -> Iterator[Foreign]:
    """The runs of the SQLite database `file`, oldest first. Raises UserError for a file that is no such thing."""
    if file.is_dir():
        raise UserError(
            f"{file} is a folder, not MLflow's database.",
            "Name the file mlflow.db. From a folder mlruns: mlflow migrate-filestore makes one.",
        )
    try:
        yield from _runs(file)
    except sqlite3.Error as error:
        raise UserError(f"{file} is no database of MLflow: {error}.", "Give its file, usually mlflow.db.") from None


def _runs(file: Path) -> Iterator[Foreign]:
    with closing(_connect(file)) as connection:
        rows = connection.execute(
            "SELECT r.run_uuid, r.name, r.status, r.start_time, r.end_time, e.name AS experiment FROM runs r "
            "LEFT JOIN experiments e ON e.experiment_id = r.experiment_id "
            "WHERE r.lifecycle_stage IS NULL OR r.lifecycle_stage = 'active' ORDER BY r.start_time"
        ).fetchall()
        for row in rows:
            number = row["run_uuid"]
            params = dict(map(tuple, connection.execute("SELECT key, value FROM params WHERE run_uuid = ?", (number,))))
            tags = dict(map(tuple, connection.execute("SELECT key, value FROM tags WHERE run_uuid = ?", (number,))))
            own = {key: value for key, value in tags.items() if not key.startswith("mlflow.")}
            yield Foreign(
                source=f"mlflow:{number}",
                name=row["name"] or tags.get("mlflow.runName"),
                status=_STATUS.get(row["status"], "interrupted"),
                started=(row["start_time"] or 0) / 1000,
                ended=row["end_time"] / 1000 if row["end_time"] else None,
                params={"mlflow.experiment": row["experiment"] or "", **params},
                tags=[key if value in ("", "true", "True") else f"{key}={value}" for key, value in own.items()],
                note=tags.get("mlflow.note.content"),
                points=partial(_points, file, number),
            )


def _points(file: Path, run: str) -> Iterator[tuple[str, int, float, float]]:
    with closing(_connect(file)) as connection:
        query = "SELECT key, step, value, timestamp, is_nan FROM metrics WHERE run_uuid = ? ORDER BY timestamp, step"
        for key, step, value, timestamp, is_nan in connection.execute(query, (run,)):
            yield key, step or 0, math.nan if is_nan else float(value), timestamp / 1000


def _connect(file: Path) -> Any:
    connection = sqlite3.connect(f"file:{quote(str(file.absolute()))}?mode=ro", uri=True)
    connection.row_factory = sqlite3.Row
    return connection
