"""Comparison of two versions of a month's clean rows, as multisets: positions shift when a row is removed.

Both versions are read once to sum fingerprints in 65,536 buckets by the trip's identity, and once more for the
fingerprints of the rows in buckets that differ: a few thousand where TLC corrected a few. Where most buckets differ,
the rows are processed in parts by trip fingerprint, so that each part fits into memory.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from itertools import chain
from pathlib import Path

import duckdb

from taxi_assets.catalog import SOURCE_ROW, Dataset
from taxi_assets.errors import StoreUnavailable
from taxi_assets.stores.duckdb.engine import query_config
from taxi_assets.stores.duckdb.sql import quoted, streamed
from taxi_assets.stores.rows import Rows

_EXAMPLES = 5  # per kind
_PART_ROWS = 2_000_000  # rows of both versions that are compared at a time
_BUCKET_BITS = 16
_BUCKET = f"CAST(trip_fingerprint >> {64 - _BUCKET_BITS} AS INTEGER)"


def compare_versions(before: Rows, after: Rows, dataset: Dataset, scratch: Path) -> dict[str, object]:
    """What differs between two versions of a month's clean rows, ready for JSON.

    Its keys: `rows_before`, `rows_after`, `added`, `removed`, `changed`, `amount_before`, `amount_after` (dollars, null
    where the dataset has no total), `distance_before`, `distance_after` (miles, null where it has no distance) and
    `examples`. A trip with other values counts as changed, not as removed and added. Each example has a `kind` and a
    `row`; for a changed trip, `row` is its identity, and `before` and `after` have the values that differ.

    Args:
        before: the older version; read up to three times.
        after: the newer one, in the same schema; read up to three times.
        dataset: the rows' dataset.
        scratch: a folder for DuckDB's temporary files.

    Raises:
        StoreUnavailable: memory or the scratch folder's disk is full.
    """
    with query_connection(scratch) as connection:
        return _Comparison(connection, {"before": before, "after": after}, dataset).changes()


class _Comparison:
    """Compares two versions of a month in a DuckDB connection; `sides` has the keys `before` and `after`."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, sides: Mapping[str, Rows], dataset: Dataset) -> None:
        names = [column.name for column in dataset.columns]
        self._connection = connection
        self._sides = sides
        self._columns = ", ".join(map(quoted, names))
        self._trip = dataset.trip_identity
        self._values = [name for name in names if name not in self._trip]
        # Two fingerprints of 64 bits: rows in which both are equal count as equal.
        self._fingerprints = (
            f"hash({', '.join(map(quoted, self._trip))}) AS trip_fingerprint, hash({self._columns}) AS row_fingerprint"
        )
        self._totals = ", ".join(
            f"{'NULL::DOUBLE' if column is None else f'fsum({quoted(column)})'} AS {name}"
            for name, column in (("amount", dataset.total), ("distance", dataset.distance))
        )

    def changes(self) -> dict[str, object]:
        """The difference: see `compare_versions`."""
        self._find_differing_buckets()
        self._collect_differing_rows()
        self._match_trips()
        counts = dict(self._connection.execute("SELECT kind, count(*) FROM changed_rows GROUP BY kind").fetchall())
        return {
            "rows_before": self._number("SELECT sum(rows) FROM before_sums"),
            "rows_after": self._number("SELECT sum(rows) FROM after_sums"),
            **{kind: counts.get(kind, 0) for kind in ("added", "removed", "changed")},
            **{f"{total}_{side}": self._total(total, side) for total in ("amount", "distance") for side in self._sides},
            "examples": self._examples(),
        }

    def _find_differing_buckets(self) -> None:
        for side in self._sides:
            self._create_table(
                f"{side}_sums",
                side,
                f"SELECT {_BUCKET} AS bucket, count(*) AS rows, sum(row_fingerprint) AS fingerprints, "
                f"{self._totals} FROM (SELECT *, {self._fingerprints} FROM incoming) GROUP BY bucket",
            )
        self._connection.execute(
            f"SET VARIABLE differing = (SELECT bitstring_agg(bucket, 0, {(1 << _BUCKET_BITS) - 1}) "
            "FROM before_sums FULL JOIN after_sums USING (bucket) "
            "WHERE before_sums.rows IS DISTINCT FROM after_sums.rows "
            "OR before_sums.fingerprints IS DISTINCT FROM after_sums.fingerprints)"
        )

    def _collect_differing_rows(self) -> None:
        for side in self._sides:
            self._create_table(
                side,
                side,
                f"SELECT * FROM (SELECT {self._fingerprints}, {SOURCE_ROW} FROM incoming) "
                f"WHERE get_bit(CAST(getvariable('differing') AS BIT), {_BUCKET}) = 1",
            )

    def _match_trips(self) -> None:
        """Create the table `changed_rows`: kind, old and new position of each removed, added or changed row."""
        self._connection.execute("CREATE TABLE changed_rows (kind VARCHAR, old_row INTEGER, new_row INTEGER)")
        rows = self._number("SELECT (SELECT count(*) FROM before) + (SELECT count(*) FROM after)")
        parts = rows // _PART_ROWS + 1
        for part in range(parts):
            copies = (
                "(SELECT *, row_number() OVER "
                f"(PARTITION BY trip_fingerprint, row_fingerprint ORDER BY {SOURCE_ROW}) AS copy "
                f"FROM {{}} WHERE trip_fingerprint % {parts} = {part})"
            )
            old, new = copies.format("before"), copies.format("after")
            for name, these, others in (("removed", old, new), ("added", new, old)):
                self._connection.execute(
                    f"CREATE OR REPLACE TABLE {name} AS SELECT trip_fingerprint, {SOURCE_ROW} AS position, "
                    f"row_number() OVER (PARTITION BY trip_fingerprint ORDER BY {SOURCE_ROW}) AS ordinal "
                    f"FROM {these} ANTI JOIN {others} USING (trip_fingerprint, row_fingerprint, copy)"
                )
            self._connection.execute(
                "INSERT INTO changed_rows SELECT CASE WHEN added.position IS NULL THEN 'removed' "
                "WHEN removed.position IS NULL THEN 'added' ELSE 'changed' END, removed.position, added.position "
                "FROM removed FULL JOIN added USING (trip_fingerprint, ordinal)"
            )

    def _examples(self) -> list[dict[str, object]]:
        first = {
            kind: self._connection.execute(
                "SELECT old_row, new_row FROM changed_rows WHERE kind = ? "
                f"ORDER BY coalesce(new_row, old_row) LIMIT {_EXAMPLES}",
                [kind],
            ).fetchall()
            for kind in ("removed", "added", "changed")
        }
        pairs = list(chain(*first.values()))
        old = self._rows_at("before", [was for was, _ in pairs if was is not None])
        new = self._rows_at("after", [now for _, now in pairs if now is not None])
        examples: list[dict[str, object]] = [
            {"kind": "removed", "row": _json_row(old[was])} for was, _ in first["removed"]
        ]
        examples += [{"kind": "added", "row": _json_row(new[now])} for _, now in first["added"]]
        examples += [self._changed(old[was], new[now]) for was, now in first["changed"]]
        return examples

    def _changed(self, was: Mapping[str, object], now: Mapping[str, object]) -> dict[str, object]:
        differing = [name for name in self._values if was[name] != now[name]]
        return {
            "kind": "changed",
            "row": _json_row({name: now[name] for name in (*self._trip, SOURCE_ROW)}),
            "before": {name: _json_value(was[name]) for name in differing},
            "after": {name: _json_value(now[name]) for name in differing},
        }

    def _create_table(self, table: str, side: str, query: str) -> None:
        with streamed(self._connection, "incoming", self._sides[side]):
            self._connection.execute(f"CREATE TABLE {table} AS {query}")

    def _rows_at(self, side: str, positions: list[int]) -> dict[object, dict[str, object]]:
        """Position -> row, for these positions of one side."""
        if not positions:
            return {}
        query = f"SELECT {self._columns}, {SOURCE_ROW} FROM incoming WHERE {SOURCE_ROW} IN ?"
        with streamed(self._connection, "incoming", self._sides[side]):
            found = self._connection.sql(query, params=[positions]).to_arrow_table()
        return {row[SOURCE_ROW]: row for row in found.to_pylist()}

    def _number(self, query: str) -> int:
        [(number,)] = self._connection.execute(query).fetchall()
        return int(number or 0)

    def _total(self, total: str, side: str) -> float | None:
        [(value,)] = self._connection.execute(f"SELECT fsum({total}) FROM {side}_sums").fetchall()
        return None if value is None else round(value, 2)


@contextmanager
def query_connection(scratch: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to compare two versions of a month in.

    Args:
        scratch: a folder for DuckDB's temporary files.

    Raises:
        StoreUnavailable: memory or the scratch folder's disk is full.
    """
    try:
        with duckdb.connect(config=query_config(scratch)) as connection:
            yield connection
    except (duckdb.OutOfMemoryException, duckdb.IOException) as error:
        raise StoreUnavailable(
            "not enough memory or scratch space to compare the month with the one in the lake: make room, run it again"
        ) from error


def _json_row(row: Mapping[str, object]) -> dict[str, object]:
    return {name: _json_value(value) for name, value in row.items() if value is not None}


def _json_value(value: object) -> object:
    """The value for JSON; clean numbers are finite."""
    return value.isoformat() if isinstance(value, datetime) else value
