"""One row of a raw month: what TLC wrote, how it is read, and which other rows of the file speak against it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import duckdb

from taxi_assets.catalog import SOURCE_ROW, Dataset
from taxi_assets.cleaning.casts import Reading, SourceColumn, match_columns, reading
from taxi_assets.cleaning.clean import POSITION, named_errors, view_source
from taxi_assets.cleaning.rule_sql import Conditions
from taxi_assets.month import Month
from taxi_assets.raw_file import RawFile
from taxi_assets.stores.duckdb.engine import query_config
from taxi_assets.stores.duckdb.sql import quoted


@dataclass(frozen=True)
class SourceValue:
    """One value of the row.

    Attributes:
        source: the column as TLC spells it.
        given: what TLC wrote.
        column: the canonical column that it is read as; None where it is not loaded.
        value: as it is read; None where there is none, or it cannot be read.
        is_readable: False where there is a value that cannot be read.
    """

    source: str
    given: object
    column: str | None
    value: object
    is_readable: bool


class OneRow:
    """A row of the file, by its position; made by `looked_at`."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, raw: RawFile, dataset: Dataset, month: Month, position: int
    ) -> None:
        self._connection = connection
        self._position = position
        self._conditions = Conditions(dataset, month, ())
        self._columns = view_source(connection, raw)
        self._matched = match_columns(dataset, month, self._columns, raw.path.name)
        self._readings = {
            column.name: reading(column, self._matched.sources.get(column.name), raw.path.name)
            for column in dataset.columns
        }
        connection.execute(f"CREATE TABLE one AS FROM source WHERE {POSITION} = ?", [position])

    def rows_in_file(self) -> int:
        """How many rows the file has."""
        [(count,)] = self._connection.execute("SELECT count(*) FROM source").fetchall()
        return int(count)

    def values(self) -> list[SourceValue] | None:
        """The row's values in the file's order; None where the file has no such row."""
        canonical = {source.name: name for name, source in self._matched.sources.items()}
        rows = self._connection.execute(
            f"SELECT {', '.join(self._selected(column, canonical) for column in self._columns)} FROM one"
        ).fetchall()
        if not rows:
            return None
        return [
            SourceValue(column.name, given, canonical.get(column.name), value, not unreadable)
            for column, (given, value, unreadable) in zip(self._columns, _threes(rows[0]), strict=True)
        ]

    def refunds(self) -> list[int]:
        """The positions of the refund records that void this trip."""
        self._connection.execute(f"CREATE VIEW typed AS {self._typed('source')}")
        self._connection.execute(f"CREATE TABLE trip_here AS {self._typed('one')}")
        return self._positions(self._conditions.refunds_of("trip_here"))

    def earlier_copies(self) -> list[int]:
        """The positions of the earlier rows of which this one is a copy."""
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
        read = self._readings[canonical[column.name]] if known else Reading("NULL", "FALSE", "NULL")
        return f"{column.sql}, {read.value}, coalesce({read.unreadable}, FALSE)"

    def _typed(self, rows: str) -> str:
        values = ", ".join(f"{one.value} AS {quoted(name)}" for name, one in self._readings.items())
        return f"SELECT {values}, {POSITION} AS {SOURCE_ROW} FROM {rows}"


@contextmanager
def looked_at(raw: RawFile, dataset: Dataset, month: Month, position: int) -> Iterator[OneRow]:
    """Look at one row of a month's file, counted from 0.

    Raises:
        SchemaBroken: the file lacks columns that the dataset cannot do without, or has some that mean the same.
        BadFile: the file cannot be read.
    """
    with duckdb.connect(config=query_config()) as connection:
        connection.execute("SET GLOBAL TimeZone = 'UTC'")
        with named_errors(raw):
            yield OneRow(connection, raw, dataset, month, position)


def _threes(row: Sequence[object]) -> Iterator[tuple[object, object, object]]:
    return ((row[at], row[at + 1], row[at + 2]) for at in range(0, len(row), 3))
