"""What changed in a month between the clean rows that the lake has and those that are about to take their place.

Positions shift when a row goes, so the months are compared as bags of rows. Both are read once to add up fingerprints
in 65,536 buckets, by what tells a trip, and once more for the fingerprints of the rows in buckets that differ: a few
thousand where TLC corrected a few. Where all differ they are divided by trips, so that each share fits into memory.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from taxi_assets.catalog import SOURCE_ROW, Dataset
from taxi_assets.errors import SchemaMismatch, SliceDamaged, SliceMissing, StoreUnavailable
from taxi_assets.month import Month
from taxi_assets.stores.duckdb.engine import query_config
from taxi_assets.stores.duckdb.sql import quoted, streamed
from taxi_assets.stores.rows import PROVENANCE, Rows

if TYPE_CHECKING:
    from taxi_assets.stores.lake import Lake

CHANGES = f"{PROVENANCE}changes"
_VERSION = ("source_sha256", "rules", "code_version")  # with the same of these, rows are the same
_EXAMPLES = 5  # of each kind
_SHARE_ROWS = 2_000_000  # of both months, whose fingerprints are compared at a time
_BUCKET_BITS = 16
_BUCKET = f"CAST(trip >> {64 - _BUCKET_BITS} AS INTEGER)"
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

    It is JSON: `since_sha256`, `since_rules`, `since_code_version`, `rows_before`, `rows_after`, `added`, `removed`,
    `changed`, `amount_before`, `amount_after` (dollars, null where the dataset has no total) and `examples`. A trip
    that has other values counts as changed, and not as removed and added. Each example has a `kind` and a `row`; that
    of a changed trip is the trip, with `before` and `after` for the values that differ.

    Nothing is said where the lake has no such month, or has one that cannot be read. Rows of the same file by the same
    rules and code say what the lake's say, so that the same file gives the same bytes again.

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
        since = {f"since_{name.removeprefix('source_')}": old.provenance.get(PROVENANCE + name) for name in _VERSION}
        if all(old.provenance.get(PROVENANCE + name) == clean.provenance.get(PROVENANCE + name) for name in _VERSION):
            told = old.provenance.get(CHANGES)
            return clean if told is None else clean.with_provenance({CHANGES: told})
        before = _at_hand(old).with_schema(clean.schema)
        with _compared(before, clean, dataset, scratch) as comparison:
            changes = comparison.changes()
    except (SliceMissing, SliceDamaged, SchemaMismatch):
        return clean
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
        # Two fingerprints of 64 bits: rows that are told apart by neither are the same.
        self._prints = f"hash({', '.join(map(quoted, self._trip))}) AS trip, hash({self._columns}) AS print"
        self._amount = "NULL::DOUBLE" if dataset.total is None else f"fsum({quoted(dataset.total)})"

    def changes(self) -> dict[str, object]:
        """What changed, as `taxi/changes` tells it."""
        self._find_differing_buckets()
        self._note_differing_rows()
        self._find_changes()
        counts = dict(self._connection.execute("SELECT kind, count(*) FROM found GROUP BY kind").fetchall())
        return {
            "rows_before": self._number("SELECT sum(rows) FROM before_sums"),
            "rows_after": self._number("SELECT sum(rows) FROM after_sums"),
            **{kind: counts.get(kind, 0) for kind in ("added", "removed", "changed")},
            "amount_before": self._dollars("before_sums"),
            "amount_after": self._dollars("after_sums"),
            "examples": self._examples(),
        }

    def _find_differing_buckets(self) -> None:
        for side in self._sides:
            self._make(
                f"{side}_sums",
                side,
                f"SELECT {_BUCKET} AS bucket, count(*) AS rows, sum(print) AS prints, {self._amount} AS amount "
                f"FROM (SELECT *, {self._prints} FROM incoming) GROUP BY bucket",
            )
        self._connection.execute(
            f"SET VARIABLE differing = (SELECT bitstring_agg(bucket, 0, {(1 << _BUCKET_BITS) - 1}) "
            "FROM before_sums FULL JOIN after_sums USING (bucket) "
            "WHERE before_sums.rows IS DISTINCT FROM after_sums.rows "
            "OR before_sums.prints IS DISTINCT FROM after_sums.prints)"
        )

    def _note_differing_rows(self) -> None:
        for side in self._sides:
            self._make(
                side,
                side,
                f"SELECT * FROM (SELECT {self._prints}, {SOURCE_ROW} FROM incoming) "
                f"WHERE get_bit(CAST(getvariable('differing') AS BIT), {_BUCKET}) = 1",
            )

    def _find_changes(self) -> None:
        """Make the table `found`: where each removed, added or changed row was, and where it is now."""
        self._connection.execute("CREATE TABLE found (kind VARCHAR, was INTEGER, is_now INTEGER)")
        rows = self._number("SELECT (SELECT count(*) FROM before) + (SELECT count(*) FROM after)")
        shares = rows // _SHARE_ROWS + 1
        for share in range(shares):
            copies = (
                f"(SELECT *, row_number() OVER (PARTITION BY trip, print ORDER BY {SOURCE_ROW}) AS copy "
                f"FROM {{}} WHERE trip % {shares} = {share})"
            )
            old, new = copies.format("before"), copies.format("after")
            for name, these, others in (("gone", old, new), ("come", new, old)):
                self._connection.execute(
                    f"CREATE OR REPLACE TABLE {name} AS SELECT trip, {SOURCE_ROW} AS place, "
                    f"row_number() OVER (PARTITION BY trip ORDER BY {SOURCE_ROW}) AS turn "
                    f"FROM {these} ANTI JOIN {others} USING (trip, print, copy)"
                )
            self._connection.execute(
                "INSERT INTO found SELECT CASE WHEN come.place IS NULL THEN 'removed' WHEN gone.place IS NULL THEN "
                "'added' ELSE 'changed' END, gone.place, come.place FROM gone FULL JOIN come USING (trip, turn)"
            )

    def _examples(self) -> list[dict[str, object]]:
        first = {
            kind: self._connection.execute(
                f"SELECT was, is_now FROM found WHERE kind = ? ORDER BY coalesce(is_now, was) LIMIT {_EXAMPLES}", [kind]
            ).fetchall()
            for kind in ("removed", "added", "changed")
        }
        pairs = list(chain(*first.values()))
        old = self._at("before", [was for was, _ in pairs if was is not None])
        new = self._at("after", [now for _, now in pairs if now is not None])
        examples: list[dict[str, object]] = [{"kind": "removed", "row": _told(old[was])} for was, _ in first["removed"]]
        examples += [{"kind": "added", "row": _told(new[now])} for _, now in first["added"]]
        examples += [self._changed(old[was], new[now]) for was, now in first["changed"]]
        return examples

    def _changed(self, was: Mapping[str, object], now: Mapping[str, object]) -> dict[str, object]:
        differing = [name for name in self._values if was[name] != now[name]]
        return {
            "kind": "changed",
            "row": _told({name: now[name] for name in (*self._trip, SOURCE_ROW)}),
            "before": {name: _plain(was[name]) for name in differing},
            "after": {name: _plain(now[name]) for name in differing},
        }

    def _make(self, table: str, side: str, query: str) -> None:
        with streamed(self._connection, "incoming", self._sides[side]):
            self._connection.execute(f"CREATE TABLE {table} AS {query}")

    def _at(self, side: str, positions: list[int]) -> dict[object, dict[str, object]]:
        """The rows of a side at these positions in their file."""
        if not positions:
            return {}
        query = f"SELECT {self._columns}, {SOURCE_ROW} FROM incoming WHERE {SOURCE_ROW} IN ?"
        with streamed(self._connection, "incoming", self._sides[side]):
            found = self._connection.sql(query, params=[positions]).to_arrow_table()
        return {row[SOURCE_ROW]: row for row in found.to_pylist()}

    def _number(self, query: str) -> int:
        [(number,)] = self._connection.execute(query).fetchall()
        return int(number or 0)

    def _dollars(self, table: str) -> float | None:
        [(amount,)] = self._connection.execute(f"SELECT fsum(amount) FROM {table}").fetchall()
        return None if amount is None else round(amount, 2)


def _at_hand(rows: Rows) -> Rows:
    """The rows on this machine's disk: a month that lies in a bucket is fetched once, and not each time it is read."""
    return Rows.from_parquet(map(Path, rows.local_files()))


@contextmanager
def _compared(old: Rows, new: Rows, dataset: Dataset, scratch: Path) -> Iterator[_Comparison]:
    try:
        with duckdb.connect(config=query_config(scratch)) as connection:
            yield _Comparison(connection, {"before": old, "after": new}, dataset)
    except (duckdb.OutOfMemoryException, duckdb.IOException) as error:
        raise StoreUnavailable(
            "not enough memory or scratch space to compare the month with the one in the lake: make room, run it again"
        ) from error


def _told(row: Mapping[str, object]) -> dict[str, object]:
    return {name: _plain(value) for name, value in row.items() if value is not None}


def _plain(value: object) -> object:
    """The value as JSON has it; clean numbers are finite."""
    return value.isoformat() if isinstance(value, datetime) else value
