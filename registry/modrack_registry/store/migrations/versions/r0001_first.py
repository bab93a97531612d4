"""The first schema.

There was none before it, so nothing leads up to it: databases of this schema were made from `schema.py` as it was then.
`tests/registry/store/fixtures/0001.sql` and `0001.postgresql.sql` hold one of each engine.
"""

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Nothing is older."""
