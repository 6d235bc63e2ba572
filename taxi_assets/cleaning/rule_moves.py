"""Rows that another cleaning of the same file moves between the clean rows and the quarantine, and by which rule."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from taxi_assets.catalog import SOURCE_ROW
from taxi_assets.cleaning.row_comparison import query_connection
from taxi_assets.stores.duckdb.sql import streamed
from taxi_assets.stores.rows import Rows

_EXAMPLES = 5  # per move


@dataclass(frozen=True)
class Move:
    """Rows of one file that break other rules in a new cleaning than in the one before.

    Attributes:
        before: the first rule that they broke; None where they were clean.
        after: the same now. It equals `before` where only their further rules differ.
        rows: number of rows.
        examples: positions of the first of them in the file, counted from 0.
    """

    before: str | None
    after: str | None
    rows: int
    examples: Sequence[int]


def rule_moves(before: Rows, after: Rows, scratch: Path) -> list[Move]:
    """The moves from one quarantine to another one of the same file, most rows first.

    Args:
        before: the older quarantine; read once.
        after: the newer one; read once.
        scratch: a folder for DuckDB's temporary files.

    Raises:
        StoreUnavailable: memory or the scratch folder's disk is full.
    """
    with query_connection(scratch) as connection:
        for name, quarantine in (("old", before), ("new", after)):
            with streamed(connection, "incoming", quarantine):
                connection.execute(f"CREATE TABLE {name} AS SELECT {SOURCE_ROW}, rule, rules FROM incoming")
        found = connection.execute(
            f"SELECT old.rule, new.rule, count(*), min({SOURCE_ROW}, {_EXAMPLES}) "
            f"FROM old FULL JOIN new USING ({SOURCE_ROW}) WHERE old.rules IS DISTINCT FROM new.rules "
            "GROUP BY old.rule, new.rule ORDER BY 3 DESC, 1, 2"
        ).fetchall()
    return [Move(*move) for move in found]
