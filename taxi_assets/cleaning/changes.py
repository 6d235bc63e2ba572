"""What changed in a month between the clean rows that the lake has and those that are about to take their place.

Positions shift when a row goes, so the months are compared as bags of rows. Both are read once to add up fingerprints
in 65,536 buckets, by what tells a trip. The second time only rows of buckets that differ are kept: a few thousand where
TLC corrected a few. What does not fit into memory goes to the scratch folder.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa

from taxi_assets.catalog import SOURCE_ROW, Dataset
from taxi_assets.cleaning.clean import duckdb_config
from taxi_assets.duckdb_sql import quoted, streamed
from taxi_assets.errors import SchemaMismatch, SliceMissing, StoreUnavailable
from taxi_assets.month import Month
from taxi_assets.stores.rows import PROVENANCE, Rows

if TYPE_CHECKING:
    from taxi_assets.stores.lake import Lake

CHANGES = f"{PROVENANCE}changes"
_FILE, _RULES = f"{PROVENANCE}source_sha256", f"{PROVENANCE}rules"
_EXAMPLES = 5  # of each kind
_BUCKET_BITS = 16
# A row of the old month and one of the new are the same trip where these are equal.
_TRIP = (
    "vendor_id",
    "hvfhs_license_num",
    "dispatching_base_num",
    "pickup_datetime",
    "dropoff_datetime",
    "pickup_location_id",
    "dropoff_location_id",
)


def with_changes(clean: Rows, lake: "Lake", dataset: Dataset, month: Month, scratch: Path) -> Rows:
    """The clean rows, with what they change in the lake's as provenance `taxi/changes`.

    It is JSON: `since_sha256`, `since_rules`, `rows_before`, `rows_after`, `added`, `removed`, `changed`,
    `amount_before`, `amount_after` (dollars, null where the dataset has no total) and `examples`. A trip that has other
    values counts as changed, and not as removed and added. Each example has a `kind` and a `row`; that of a changed
    trip is the trip, with `before` and `after` for the values that differ.

    Nothing is said where the lake has no such month, or has one that cannot be read. Rows of the same file by the same
    rules say what the lake's say, so that the same file gives the same bytes again.

    Args:
        clean: the rows that are about to be stored.
        lake: where the rows that they replace are.
        dataset: of the rows.
        month: of the rows.
        scratch: a folder for what does not fit into memory.

    Raises:
        StoreUnavailable: the lake does not answer, or there is no room in the scratch folder.
    """
    try:
        old = lake.read(f"clean/{dataset.table}", [month])
        if all(old.provenance.get(name) == clean.provenance.get(name) for name in (_FILE, _RULES)):
            told = old.provenance.get(CHANGES)
            return clean if told is None else clean.with_provenance({CHANGES: told})
        with _compared(old.with_schema(clean.schema), clean, dataset, scratch) as comparison:
            changes = comparison.changes()
    except (SliceMissing, SchemaMismatch, pa.ArrowException, OSError):  # Arrow's words for a damaged file
        return clean
    since = {"since_sha256": old.provenance.get(_FILE), "since_rules": old.provenance.get(_RULES)}
    return clean.with_provenance({CHANGES: json.dumps({**since, **changes})})


class _Comparison:
    """Two versions of a month in a connection of their own; `sides` is what came before and what comes after."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, sides: Mapping[str, Rows], dataset: Dataset) -> None:
        names = [column.name for column in dataset.columns]
        self._connection = connection
        self._sides = sides
        self._columns = ", ".join(map(quoted, names))
        self._trip = [name for name in _TRIP if name in names]
        self._values = [name for name in names if name not in self._trip]
        self._bucket = f"hash({', '.join(map(quoted, self._trip))}) >> {64 - _BUCKET_BITS}"
        self._same_row = " AND ".join(f"before.{quoted(one)} IS NOT DISTINCT FROM after.{quoted(one)}" for one in names)
        self._same_trip = " AND ".join(
            f"removed.{quoted(one)} IS NOT DISTINCT FROM added.{quoted(one)}" for one in (*self._trip, "turn")
        )
        self._amount = "NULL::DOUBLE" if dataset.total is None else f"fsum({quoted(dataset.total)})"

    def changes(self) -> dict[str, object]:
        """What changed, as `taxi/changes` tells it."""
        self._find_differing_buckets()
        self._find_differing_rows()
        changed = self._number("SELECT count(*) FROM changed")
        return {
            "rows_before": self._number("SELECT sum(rows) FROM before_sums"),
            "rows_after": self._number("SELECT sum(rows) FROM after_sums"),
            "added": self._number("SELECT count(*) FROM added") - changed,
            "removed": self._number("SELECT count(*) FROM removed") - changed,
            "changed": changed,
            "amount_before": self._dollars("before_sums"),
            "amount_after": self._dollars("after_sums"),
            "examples": [*self._lone("removed", "added"), *self._lone("added", "removed"), *self._changed()],
        }

    def _find_differing_buckets(self) -> None:
        for side in self._sides:
            self._make(
                f"{side}_sums",
                side,
                f"SELECT {self._bucket} AS bucket, count(*) AS rows, sum(hash({self._columns})) AS prints, "
                f"{self._amount} AS amount FROM incoming GROUP BY bucket",
            )
        self._connection.execute(
            "CREATE TABLE differing AS SELECT bucket FROM before_sums FULL JOIN after_sums USING (bucket) "
            "WHERE before_sums.rows IS DISTINCT FROM after_sums.rows "
            "OR before_sums.prints IS DISTINCT FROM after_sums.prints"
        )

    def _find_differing_rows(self) -> None:
        for side in self._sides:
            self._make(
                side,
                side,
                f"SELECT {self._columns}, {SOURCE_ROW}, row_number() OVER (PARTITION BY {self._columns} "
                f"ORDER BY {SOURCE_ROW}) AS copy FROM incoming WHERE {self._bucket} IN (FROM differing)",
            )
        trip = ", ".join(map(quoted, self._trip))
        for name, side, other in (("removed", "before", "after"), ("added", "after", "before")):
            self._connection.execute(
                f"CREATE TABLE {name} AS SELECT * EXCLUDE (copy), row_number() OVER (PARTITION BY {trip} "
                f"ORDER BY {SOURCE_ROW}) AS turn FROM {side} ANTI JOIN {other} "
                f"ON {self._same_row} AND before.copy = after.copy"
            )
        self._connection.execute(
            f"CREATE TABLE changed AS SELECT removed.{SOURCE_ROW} AS was, added.{SOURCE_ROW} AS is_now "
            f"FROM removed JOIN added ON {self._same_trip}"
        )

    def _make(self, table: str, side: str, query: str) -> None:
        with streamed(self._connection, "incoming", self._sides[side]):
            self._connection.execute(f"CREATE TABLE {table} AS {query}")

    def _lone(self, kind: str, other: str) -> list[dict[str, object]]:
        query = f"FROM {kind} ANTI JOIN {other} ON {self._same_trip} ORDER BY {SOURCE_ROW} LIMIT {_EXAMPLES}"
        rows = self._rows(f"SELECT * EXCLUDE (turn) {query}")
        return [{"kind": kind, "row": _told(row)} for row in rows]

    def _changed(self) -> list[dict[str, object]]:
        pairs = f"(FROM changed ORDER BY is_now LIMIT {_EXAMPLES}) AS pairs"
        old = self._rows(f"SELECT removed.* FROM {pairs} JOIN removed ON {SOURCE_ROW} = was ORDER BY is_now")
        new = self._rows(f"SELECT added.* FROM {pairs} JOIN added ON {SOURCE_ROW} = is_now ORDER BY is_now")
        examples: list[dict[str, object]] = []
        for was, now in zip(old, new, strict=True):
            differing = [name for name in self._values if was[name] != now[name]]
            examples.append(
                {
                    "kind": "changed",
                    "row": _told({name: now[name] for name in (*self._trip, SOURCE_ROW)}),
                    "before": {name: _plain(was[name]) for name in differing},
                    "after": {name: _plain(now[name]) for name in differing},
                }
            )
        return examples

    def _rows(self, query: str) -> list[dict[str, object]]:
        rows: list[dict[str, object]] = self._connection.sql(query).to_arrow_table().to_pylist()
        return rows

    def _number(self, query: str) -> int:
        [(number,)] = self._connection.execute(query).fetchall()
        return int(number or 0)

    def _dollars(self, table: str) -> float | None:
        [(amount,)] = self._connection.execute(f"SELECT fsum(amount) FROM {table}").fetchall()
        return round(amount, 2) if amount is not None and isfinite(amount) else None


@contextmanager
def _compared(old: Rows, new: Rows, dataset: Dataset, scratch: Path) -> Iterator[_Comparison]:
    try:
        with duckdb.connect(config=duckdb_config(scratch)) as connection:
            yield _Comparison(connection, {"before": old, "after": new}, dataset)
    except (duckdb.OutOfMemoryException, duckdb.IOException) as error:
        raise StoreUnavailable(
            "not enough memory or scratch space to compare the month with the one in the lake: make room, run it again"
        ) from error


def _told(row: Mapping[str, object]) -> dict[str, object]:
    return {name: _plain(value) for name, value in row.items() if value is not None}


def _plain(value: object) -> object:
    """The value as JSON has it."""
    if isinstance(value, date):  # a datetime is one
        return value.isoformat()
    return str(value) if isinstance(value, float) and not isfinite(value) else value
