"""Where runs are kept: SQLite by default, PostgreSQL by URL, and a folder a run.

`schema` has the tables, `database` the connection, `recorder` writes a run while it trains, `writer` is the thread
behind it, `status` tells whether a run still lives, `run` and `query` read. `migrate` brings an older database to
today's schema; `check`, `backup`, `move` and `info` are about a database as a whole, `views` for those who ask in SQL.
"""

from modrack_registry.store.query import RunQuery
from modrack_registry.store.recorder import Recorder
from modrack_registry.store.run import Run
from modrack_registry.store.start import RunStart
from modrack_registry.store.store import Store, open_store

__all__ = ["Recorder", "Run", "RunQuery", "RunStart", "Store", "open_store"]
