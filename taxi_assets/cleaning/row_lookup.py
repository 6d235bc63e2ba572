"""Look-up of one row of a source file: raw values, cast values, and other rows that make it break a rule."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import duckdb

from taxi_assets.catalog import SOURCE_ROW, Dataset
from taxi_assets.cleaning.casts import Cast, SourceColumn, column_cast, match_columns
from taxi_assets.cleaning.clean import POSITION, create_source_view, map_read_errors
from taxi_assets.cleaning.rule_sql import RuleSql
from taxi_assets.month import Month
from taxi_assets.raw_file import RawFile
from taxi_assets.stores.duckdb.engine import query_config
from taxi_assets.stores.duckdb.sql import quoted


@dataclass(frozen=True)
class SourceValue:
    """One value of the row.

    Attributes:
        source: the column's name in the file.
        raw: the value in the file.
        column: the canonical column; None for a column that is not loaded.
        value: the cast value; None for a missing value and for one that cannot be cast.
        is_readable: False for a value that cannot be cast.
    """

    source: str
    raw: object
    column: str | None
    value: object
    is_readable: bool


class SourceRow:
    """A row of a source file, by its position; `open_source_row` returns it."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, raw: RawFile, dataset: Dataset, month: Month, position: int
    ) -> None:
        self._connection = connection
        self._position = position
        self._rule_sql = RuleSql(dataset, month, ())
        self._columns = create_source_view(connection, raw)
        self._matched = match_columns(dataset, month, self._columns, raw.path.name)
        self._casts = {
            column.name: column_cast(column, self._matched.sources.get(column.name), raw.path.name)
            for column in dataset.columns
        }
        connection.execute(f"CREATE TABLE one AS FROM source WHERE {POSITION} = ?", [position])

    def rows_in_file(self) -> int:
        """The number of rows in the file."""
        [(count,)] = self._connection.execute("SELECT count(*) FROM source").fetchall()
        return int(count)

    def values(self) -> list[SourceValue] | None:
        """The row's values in the order of the file's columns; None where the file has no such row."""
        canonical = {source.name: name for name, source in self._matched.sources.items()}
        rows = self._connection.execute(
            f"SELECT {', '.join(self._selected(column, canonical) for column in self._columns)} FROM one"
        ).fetchall()
        if not rows:
            return None
        return [
            SourceValue(column.name, raw, canonical.get(column.name), value, not unreadable)
            for column, (raw, value, unreadable) in zip(self._columns, _triples(rows[0]), strict=True)
        ]

    def refunds(self) -> list[int]:
        """The positions of the refund records that void this trip."""
        self._connection.execute(f"CREATE VIEW typed AS {self._typed('source')}")
        self._connection.execute(f"CREATE TABLE trip_here AS {self._typed('one')}")
        return self._positions(self._rule_sql.refunds_query("trip_here"))

    def earlier_copies(self) -> list[int]:
        """The positions of the earlier rows that this one duplicates."""
        compared = (column.sql for column in self._columns if column.name not in self._matched.ignored)
        same = " AND ".join(f"source.{name} IS NOT DISTINCT FROM one.{name}" for name in compared)
        return self._positions(
            f"SELECT source.{POSITION} FROM source SEMI JOIN one ON {same} "
            f"WHERE source.{POSITION} < {self._position} ORDER BY 1"
        )

    def _positions(self, query: str) -> list[int]:
        return [int(position) for (position,) in self._connection.execute(query).fetchall()]

    def _selected(self, column: SourceColumn, canonical: dict[str, str]) -> str:
        known = column.name in canonical
        read = self._casts[canonical[column.name]] if known else Cast("NULL", "FALSE", "NULL")
        return f"{column.sql}, {read.value}, coalesce({read.unreadable}, FALSE)"

    def _typed(self, rows: str) -> str:
        values = ", ".join(f"{one.value} AS {quoted(name)}" for name, one in self._casts.items())
        return f"SELECT {values}, {POSITION} AS {SOURCE_ROW} FROM {rows}"


@contextmanager
def open_source_row(raw: RawFile, dataset: Dataset, month: Month, position: int) -> Iterator[SourceRow]:
    """The row at that position, from 0, of a month's file; usable while the context is open.

    Raises:
        SchemaBroken: required columns are missing, two columns map to the same one, or a type has no cast.
        BadFile: the file cannot be read.
    """
    with duckdb.connect(config=query_config()) as connection:
        connection.execute("SET GLOBAL TimeZone = 'UTC'")
        with map_read_errors(raw):
            yield SourceRow(connection, raw, dataset, month, position)


def _triples(row: Sequence[object]) -> Iterator[tuple[object, object, object]]:
    return ((row[at], row[at + 1], row[at + 2]) for at in range(0, len(row), 3))
