"""How a column of the source file is read as its canonical column, in SQL made from the catalogue and the file's types.

Every physical type that TLC has used for a column, and any other that holds the same values, gives the same result, so
that a file's types are no more than noise. What cannot be read becomes NULL here and breaks `unreadable_value`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from taxi_assets.catalog import Column, Dataset
from taxi_assets.errors import SchemaBroken
from taxi_assets.month import Month
from taxi_assets.stores.duckdb.engine import TYPE_NAMES
from taxi_assets.stores.duckdb.sql import literal, quoted

_WHOLE = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"}
_FLOATING = {"FLOAT", "DOUBLE"}
_TIMES = {"TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "DATE"}
_ZONED_TIMES = {"TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ_NS"}
_UTC = {"UTC", "Etc/UTC", "Z", "Zulu", "+00:00", "GMT", "Etc/GMT", "UCT", "Etc/UCT", "Universal", "Etc/Universal"}
_NEW_YORK = {"America/New_York", "US/Eastern", "EST5EDT"}
_FIRST_TIME, _AFTER_LAST_TIME = "TIMESTAMP '0001-01-01'", "TIMESTAMP '10000-01-01'"  # BigQuery's range, the narrowest
_NOTHING = {"NULL", '"NULL"'}

_LIMITS = {pa.int16(): "-32768 AND 32767", pa.int32(): "-2147483648 AND 2147483647"}


@dataclass(frozen=True)
class SourceColumn:
    """One column of the file.

    Attributes:
        name: as TLC spells it.
        type: as DuckDB names it.
        zone: the time zone that the file states for times, which DuckDB's type leaves out; None where it states none.
    """

    name: str
    type: str
    zone: str | None = None

    @property
    def sql(self) -> str:
        """The column in the view `source`, under a name that no other column, table or alias of our queries has."""
        return quoted(f"tlc:{self.name}")


@dataclass(frozen=True)
class Reading:
    """SQL for one canonical column.

    Attributes:
        value: the column's value, NULL where there is none or it cannot be read.
        unreadable: whether the source has a value that cannot be read.
        sound: the value again, for rows where it can be read; costs less than the value.
    """

    value: str
    unreadable: str
    sound: str


@dataclass(frozen=True)
class FileColumns:
    """The columns of one file, matched with the catalogue.

    Attributes:
        sources: canonical name -> the file's column, for those that the file has.
        unknown: columns that the catalogue does not know, as TLC spells them.
        ignored: columns that the catalogue knows to carry nothing.
        missing: canonical columns that files of that era have and this one does not.
    """

    sources: dict[str, SourceColumn]
    unknown: tuple[str, ...]
    ignored: tuple[str, ...]
    missing: tuple[str, ...]


def match_columns(dataset: Dataset, month: Month, columns: Sequence[SourceColumn], file_name: str) -> FileColumns:
    """Match a file's columns with the catalogue, by name and never by position.

    Raises:
        SchemaBroken: columns are missing that the dataset cannot do without, or two columns mean the same.
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
    vital = [expected[canonical] for canonical in missing if dataset.column(canonical).required]
    if vital:
        raise SchemaBroken(
            f"{file_name} lacks {', '.join(vital)}, without which {dataset.name} cannot be loaded; "
            f"it has {', '.join(column.name for column in columns)}. If TLC renamed a column, add the new name "
            f"to taxi_assets/catalog/{dataset.name}.py"
        )
    return FileColumns(sources, tuple(unknown), tuple(ignored), tuple(missing))


def reading(column: Column, source: SourceColumn | None, file_name: str) -> Reading:
    """How to read the canonical column from the file's column, or as NULL where the file has none.

    Raises:
        SchemaBroken: the file's column has a type that cannot hold such values.
    """
    if source is None or source.type in _NOTHING:
        nothing = f"CAST(NULL AS {TYPE_NAMES[column.type]})"
        return Reading(nothing, "FALSE", nothing)
    given = f"nullif(trim({source.sql}), '')" if source.type == "VARCHAR" else source.sql
    if pa.types.is_string(column.type):
        value = _text(column, given, source, file_name)
    elif pa.types.is_timestamp(column.type):
        value = _time(given, source, file_name)
    else:
        value = _number(column, given, source, file_name)
    unreadable = _unreadable(column, given, value, source)
    sound = _sound(column, given, value, source)
    if column.zero_is_missing:
        return Reading(f"nullif({value}, 0)", unreadable, f"nullif({sound}, 0)")
    return Reading(value, unreadable, sound)


def _unreadable(column: Column, given: str, value: str, source: SourceColumn) -> str:
    """Whether there is a value that cannot be read; NULL counts as no.

    The general way makes every value only to see whether it is there. For the types that nearly all files have it is
    enough to look at the source's value, which takes half the time: every row of every month pays for it.
    """
    if column.type in _LIMITS and source.type in _WHOLE:
        return f"{given} NOT BETWEEN {_LIMITS[column.type]}"
    if column.type in _LIMITS and source.type in _FLOATING:
        # Parquet's statistics leave NaN out, and DuckDB answers BETWEEN by them alone where they suffice.
        within = f"isfinite({given}) AND {given} BETWEEN {_LIMITS[column.type]}"
        return f"NOT ({given} = trunc({given}) AND {within})"
    if pa.types.is_floating(column.type) and source.type in _FLOATING:
        return f"NOT isfinite({given})"
    if pa.types.is_string(column.type) and source.type == "VARCHAR":
        return f"contains({source.sql}, chr(0))"
    if pa.types.is_timestamp(column.type) and source.type == "TIMESTAMP":
        return f"NOT ({given} >= {_FIRST_TIME} AND {given} < {_AFTER_LAST_TIME})"
    return f"{given} IS NOT NULL AND {value} IS NULL"


def _sound(column: Column, given: str, value: str, source: SourceColumn) -> str:
    """The value where it is known to be readable: nothing is left to check for the types that nearly all files have."""
    if pa.types.is_floating(column.type) and source.type in _FLOATING:
        return f"CAST({given} AS DOUBLE)"
    if pa.types.is_timestamp(column.type) and source.type == "TIMESTAMP":
        return given
    return value


def _text(column: Column, given: str, source: SourceColumn, file_name: str) -> str:
    if source.type not in {"VARCHAR", *_WHOLE, *_FLOATING}:
        raise _unfit(column, source, file_name)
    text = f"CAST({given} AS VARCHAR)"
    sound = f"isfinite({given})" if source.type in _FLOATING else f"NOT contains({text}, chr(0))"
    loadable = f"CASE WHEN {sound} THEN {text} END"  # 'nan' is no text, and Postgres holds no NUL in one
    if not column.spellings:
        return loadable
    return f"{_spelled(column, text)} ELSE {loadable} END"


def _number(column: Column, given: str, source: SourceColumn, file_name: str) -> str:
    duckdb_type = TYPE_NAMES[column.type]
    if source.type in _WHOLE:
        return f"TRY_CAST({given} AS {duckdb_type})"
    if source.type == "VARCHAR" or source.type.startswith("DECIMAL"):
        number = f"TRY_CAST({given} AS DOUBLE)"
    elif source.type in _FLOATING:
        number = given
    else:
        raise _unfit(column, source, file_name)
    if duckdb_type == "DOUBLE":
        value = f"CASE WHEN isfinite({number}) THEN CAST({number} AS DOUBLE) END"
    else:  # DuckDB rounds 1.5 to 2 where it casts
        value = f"CASE WHEN {number} = trunc({number}) THEN TRY_CAST({number} AS {duckdb_type}) END"
    if source.type == "VARCHAR" and column.spellings:
        return f"{_spelled(column, given)} ELSE {value} END"
    return value


def _time(given: str, source: SourceColumn, file_name: str) -> str:
    if source.type in _TIMES or source.type == "VARCHAR":
        moment = f"TRY_CAST({given} AS TIMESTAMP)"
    elif source.type in _ZONED_TIMES:
        moment = _wall_time(given, source, file_name)
    else:
        raise SchemaBroken(f"{file_name}: column {source.name} has type {source.type}, which holds no times")
    return f"CASE WHEN {moment} >= {_FIRST_TIME} AND {moment} < {_AFTER_LAST_TIME} THEN {moment} END"


def _wall_time(given: str, source: SourceColumn, file_name: str) -> str:
    """New York's wall time.

    A column that states New York's zone holds instants. One that states UTC, or none, holds wall time that a writer
    labelled so (Spark and pandas do by default): TLC publishes no instants.
    """
    instant = f"TRY_CAST({given} AS TIMESTAMPTZ)"
    if source.zone is None or source.zone in _UTC:
        return f"make_timestamp(epoch_us({instant}))"
    if source.zone in _NEW_YORK:
        return f"TRY(timezone('America/New_York', {instant}))"
    raise SchemaBroken(
        f"{file_name}: column {source.name} states the time zone {source.zone}, so that it is not clear what New York's"
        " time was; write it without a zone, as New York's time, or with the zone America/New_York"
    )


def _spelled(column: Column, text: str) -> str:
    cases = " ".join(
        f"WHEN {literal(spelling)} THEN {literal(value) if isinstance(value, str) else value}"
        for spelling, value in ((spelling.lower(), value) for spelling, value in column.spellings.items())
    )
    return f"CASE lower({text}) {cases}"


def _unfit(column: Column, source: SourceColumn, file_name: str) -> SchemaBroken:
    return SchemaBroken(
        f"{file_name}: column {source.name} has type {source.type}, which cannot be read as {column.type}"
    )
