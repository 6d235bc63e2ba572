"""Column mapping and casts: SQL that reads a source file's columns as canonical columns, whatever their types.

The SQL is generated from the catalogue and the file's schema. Every physical type that TLC has used for a column, and
any other that holds the same values, gives the same result: schema drift in types has no effect. A value that cannot be
cast becomes NULL, and its row breaks the rule `unreadable_value`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from taxi_assets.catalog import Column, Dataset
from taxi_assets.errors import SchemaBroken
from taxi_assets.month import Month
from taxi_assets.stores.duckdb.engine import TYPE_NAMES
from taxi_assets.stores.duckdb.sql import literal, quoted

_DOUBLE, _VARCHAR, _TIMESTAMP = TYPE_NAMES[pa.float64()], TYPE_NAMES[pa.string()], TYPE_NAMES[pa.timestamp("us")]
_INTEGERS = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"}
_FLOATS = {"FLOAT", _DOUBLE}
_TIMESTAMPS = {_TIMESTAMP, "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "DATE"}
_ZONED_TIMESTAMPS = {TYPE_NAMES[pa.timestamp("us", "UTC")], "TIMESTAMPTZ_NS"}
_UTC = {"UTC", "Etc/UTC", "Z", "Zulu", "+00:00", "GMT", "Etc/GMT", "UCT", "Etc/UCT", "Universal", "Etc/Universal"}
_NEW_YORK = {"America/New_York", "US/Eastern", "EST5EDT"}
_MIN_TIME, _END_TIME = "TIMESTAMP '0001-01-01'", "TIMESTAMP '10000-01-01'"  # BigQuery's range, the stores' narrowest
_NULL_TYPES = {"NULL", '"NULL"'}

_RANGES = {pa.int16(): "-32768 AND 32767", pa.int32(): "-2147483648 AND 2147483647"}


@dataclass(frozen=True)
class SourceColumn:
    """One column of the source file.

    Attributes:
        name: the column's name in the file.
        type: the name of its DuckDB type.
        zone: the time zone in the file's timestamp type, which DuckDB's type omits; None for any other type.
    """

    name: str
    type: str
    zone: str | None = None

    @property
    def sql(self) -> str:
        """The column's quoted name in the view `source`, with a prefix that no other identifier of the SQL has."""
        return quoted(f"tlc:{self.name}")


@dataclass(frozen=True)
class Cast:
    """SQL expressions for one canonical column.

    Attributes:
        value: the cast value; NULL for a missing value and for one that cannot be cast.
        unreadable: true where the source has a value that cannot be cast.
        unchecked: the value without validity checks, for rows where `unreadable` is false; cheaper than `value`.
    """

    value: str
    unreadable: str
    unchecked: str


@dataclass(frozen=True)
class FileColumns:
    """The column mapping of one file.

    Attributes:
        sources: canonical name -> the file's column, for the columns that the file has.
        unknown: names of columns that the catalogue does not have.
        ignored: names of columns that the catalogue maps to no canonical column.
        missing: canonical names of columns that the era has and the file lacks.
    """

    sources: dict[str, SourceColumn]
    unknown: tuple[str, ...]
    ignored: tuple[str, ...]
    missing: tuple[str, ...]


def match_columns(dataset: Dataset, month: Month, columns: Sequence[SourceColumn], file_name: str) -> FileColumns:
    """Map a file's columns to canonical columns by name, never by position.

    Raises:
        SchemaBroken: required columns are missing, or two columns map to the same canonical column.
    """
    aliases = dataset.aliases
    sources: dict[str, SourceColumn] = {}
    unknown, ignored = [], []
    for column in columns:
        alias = column.name.lower()
        canonical = aliases.get(alias)
        if alias not in aliases:
            unknown.append(column.name)
        elif canonical is None:
            ignored.append(column.name)
        elif canonical in sources:
            raise SchemaBroken(
                f"{file_name} has two columns for {canonical}: {sources[canonical].name} and {column.name}"
            )
        else:
            sources[canonical] = column
    expected = {one.column: one.source for one in dataset.era(month).fields if one.column is not None}
    missing = [canonical for canonical in expected if canonical not in sources]
    required = [expected[canonical] for canonical in missing if dataset.column(canonical).required]
    if required:
        raise SchemaBroken(
            f"{file_name} lacks {', '.join(required)}, without which {dataset.name} cannot be loaded; "
            f"it has {', '.join(column.name for column in columns)}. If TLC renamed a column, add the new name "
            f"to taxi_assets/catalog/{dataset.name}.py"
        )
    return FileColumns(sources, tuple(unknown), tuple(ignored), tuple(missing))


def column_cast(column: Column, source: SourceColumn | None, file_name: str) -> Cast:
    """The cast from the file's column to the canonical column; NULL where the file has no such column.

    Raises:
        SchemaBroken: the file's column has a type without a cast to the canonical type.
    """
    if source is None or source.type in _NULL_TYPES:
        null = f"CAST(NULL AS {TYPE_NAMES[column.type]})"
        return Cast(null, "FALSE", null)
    source_sql = f"nullif(trim({source.sql}), '')" if source.type == _VARCHAR else source.sql
    if pa.types.is_string(column.type):
        value = _text(column, source_sql, source, file_name)
    elif pa.types.is_timestamp(column.type):
        value = _time(source_sql, source, file_name)
    else:
        value = _number(column, source_sql, source, file_name)
    unreadable = _unreadable(column, source_sql, value, source)
    unchecked = _unchecked(column, source_sql, value, source)
    if column.zero_is_missing:
        return Cast(f"nullif({value}, 0)", unreadable, f"nullif({unchecked}, 0)")
    return Cast(value, unreadable, unchecked)


def _unreadable(column: Column, source_sql: str, value: str, source: SourceColumn) -> str:
    """SQL: whether there is a value that cannot be cast; NULL counts as false.

    The general expression casts the value and tests for NULL. For the types of nearly all files, a test of the source
    value is enough and takes half the time, which counts since it runs for every row.
    """
    if column.type in _RANGES and source.type in _INTEGERS:
        return f"{source_sql} NOT BETWEEN {_RANGES[column.type]}"
    if column.type in _RANGES and source.type in _FLOATS:
        # Parquet's statistics exclude NaN, and DuckDB evaluates BETWEEN by the statistics alone where they suffice.
        within = f"isfinite({source_sql}) AND {source_sql} BETWEEN {_RANGES[column.type]}"
        return f"NOT ({source_sql} = trunc({source_sql}) AND {within})"
    if pa.types.is_floating(column.type) and source.type in _FLOATS:
        return f"NOT isfinite({source_sql})"
    if pa.types.is_string(column.type) and source.type == _VARCHAR:
        return f"contains({source.sql}, chr(0))"
    if pa.types.is_timestamp(column.type) and source.type == _TIMESTAMP:
        return f"NOT ({source_sql} >= {_MIN_TIME} AND {source_sql} < {_END_TIME})"
    return f"{source_sql} IS NOT NULL AND {value} IS NULL"


def _unchecked(column: Column, source_sql: str, value: str, source: SourceColumn) -> str:
    """SQL: the value of a readable row, without checks for the types of nearly all files."""
    if pa.types.is_floating(column.type) and source.type in _FLOATS:
        return f"CAST({source_sql} AS DOUBLE)"
    if pa.types.is_timestamp(column.type) and source.type == _TIMESTAMP:
        return source_sql
    return value


def _text(column: Column, source_sql: str, source: SourceColumn, file_name: str) -> str:
    if source.type not in {_VARCHAR, *_INTEGERS, *_FLOATS}:
        raise _cast_error(column, source, file_name)
    text = f"CAST({source_sql} AS VARCHAR)"
    unchecked = f"isfinite({source_sql})" if source.type in _FLOATS else f"NOT contains({text}, chr(0))"
    loadable = f"CASE WHEN {unchecked} THEN {text} END"  # NaN is no text, and Postgres stores no NUL in one
    if not column.value_mapping:
        return loadable
    return f"{_mapped_value(column, text)} ELSE {loadable} END"


def _number(column: Column, source_sql: str, source: SourceColumn, file_name: str) -> str:
    duckdb_type = TYPE_NAMES[column.type]
    if source.type in _INTEGERS:
        return f"TRY_CAST({source_sql} AS {duckdb_type})"
    if source.type == _VARCHAR or source.type.startswith("DECIMAL"):
        number = f"TRY_CAST({source_sql} AS DOUBLE)"
    elif source.type in _FLOATS:
        number = source_sql
    else:
        raise _cast_error(column, source, file_name)
    if duckdb_type == _DOUBLE:
        value = f"CASE WHEN isfinite({number}) THEN CAST({number} AS DOUBLE) END"
    else:  # DuckDB's cast rounds 1.5 to 2
        value = f"CASE WHEN {number} = trunc({number}) THEN TRY_CAST({number} AS {duckdb_type}) END"
    if source.type == _VARCHAR and column.value_mapping:
        return f"{_mapped_value(column, source_sql)} ELSE {value} END"
    return value


def _time(source_sql: str, source: SourceColumn, file_name: str) -> str:
    if source.type in _TIMESTAMPS or source.type == _VARCHAR:
        timestamp = f"TRY_CAST({source_sql} AS TIMESTAMP)"
    elif source.type in _ZONED_TIMESTAMPS:
        timestamp = _wall_time(source_sql, source, file_name)
    else:
        raise SchemaBroken(f"{file_name}: column {source.name} has type {source.type}, which holds no times")
    return f"CASE WHEN {timestamp} >= {_MIN_TIME} AND {timestamp} < {_END_TIME} THEN {timestamp} END"


def _wall_time(source_sql: str, source: SourceColumn, file_name: str) -> str:
    """SQL: New York wall time from a timestamp with time zone.

    A column with New York's zone holds instants, which are converted. A column with UTC, or without a name of a zone,
    holds wall time that its writer labelled as UTC, as Spark and pandas do by default: TLC publishes no instants.
    """
    instant = f"TRY_CAST({source_sql} AS TIMESTAMPTZ)"
    if source.zone is None or source.zone in _UTC:
        return f"make_timestamp(epoch_us({instant}))"
    if source.zone in _NEW_YORK:
        return f"TRY(timezone('America/New_York', {instant}))"
    raise SchemaBroken(
        f"{file_name}: column {source.name} states the time zone {source.zone}, so that it is not clear what New York's"
        " time was; write it without a zone, as New York's time, or with the zone America/New_York"
    )


def _mapped_value(column: Column, text: str) -> str:
    cases = " ".join(
        f"WHEN {literal(text)} THEN {literal(value) if isinstance(value, str) else value}"
        for text, value in ((text.lower(), value) for text, value in column.value_mapping.items())
    )
    return f"CASE lower({text}) {cases}"


def _cast_error(column: Column, source: SourceColumn, file_name: str) -> SchemaBroken:
    return SchemaBroken(
        f"{file_name}: column {source.name} has type {source.type}, which cannot be read as {column.type}"
    )
