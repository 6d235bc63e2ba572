"""Split one raw month into clean rows and quarantined rows, so that every source row is in exactly one of them.

DuckDB reads the file several times and never holds it: first for what only the whole file tells (refund records,
repeated rows), then to note which rows break which rules, then once for each of the two streams. Rows leave in the
file's order, whatever the number of threads, so that the same file gives the same bytes: DuckDB keeps that order
through a filter, but since version 2 not through a join, so clean rows are told by a bit each and the others sorted.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from glob import escape
from pathlib import Path

import duckdb
import pyarrow as pa

from taxi_assets.catalog import SOURCE_ROW, Dataset, Rule, select_rules
from taxi_assets.cleaning.candidates import suspects
from taxi_assets.cleaning.casts import FileColumns, SourceColumn, match_columns, reading
from taxi_assets.cleaning.provenance import origin_of, with_origin
from taxi_assets.cleaning.rule_sql import Conditions, fingerprint
from taxi_assets.errors import BadFile, SchemaBroken, StoreUnavailable, TaxiError
from taxi_assets.month import Month
from taxi_assets.raw_file import RawFile
from taxi_assets.stores.duckdb.engine import is_disk_full, query_config
from taxi_assets.stores.duckdb.sql import literal, quoted
from taxi_assets.stores.rows import BATCH_ROWS, PROVENANCE, Rows

POSITION = "file_row_number"
_ROW = f"CAST({POSITION} AS INTEGER)"
_ADDED = ("rule", "rules", SOURCE_ROW, POSITION)


@dataclass(frozen=True)
class Cleaned:
    """The outcome of cleaning one month; the two streams can be read while the context that gave it is open.

    Attributes:
        clean: rows that break no rule, under the dataset's canonical schema.
        quarantine: the other rows under their original names with their original values, and `rule` (the first one
            broken), `rules` (all of them) and `source_row`.
        source_columns: the file's columns, as TLC spells them.
        sources: canonical column -> the file's column that it is read from; for those that the file has.
        source_rows: rows in the file.
        rejected: rule -> rows that broke it first, for every rule that was applied.
        unknown_columns: columns of the file that the catalogue does not know.
        missing_columns: canonical columns that such a file should have and this one lacks.
    """

    clean: Rows
    quarantine: Rows
    source_columns: tuple[str, ...]
    sources: Mapping[str, str]
    source_rows: int
    rejected: Mapping[str, int]
    unknown_columns: tuple[str, ...]
    missing_columns: tuple[str, ...]


@contextmanager
def cleaned_month(
    raw: RawFile, dataset: Dataset, month: Month, rules: Iterable[str], scratch: Path
) -> Iterator[Cleaned]:
    """Clean the raw file of a month by the rules of those names.

    Args:
        raw: the month's file.
        dataset: what the file's columns are matched with.
        month: the month the file is for, which its name says and its pickup times may not.
        rules: names of the rules to apply; those that always apply are added.
        scratch: a folder for what does not fit into memory.

    Raises:
        InvalidRequest: there is no rule of such a name.
        SchemaBroken: the file lacks columns that the dataset cannot do without, or has some that mean the same.
        BadFile: the file cannot be read, now or while one of the streams is.
        StoreUnavailable: the scratch folder's disk is full.
    """
    applied = select_rules(dataset, rules)
    with duckdb.connect(config=query_config(scratch)) as connection:
        connection.execute("SET GLOBAL TimeZone = 'UTC'")  # or the machine's own would show in the quarantine
        cleaning = _Cleaning(connection, raw, dataset, month, applied)
        with named_errors(raw):
            cleaning.note_broken_rows()
            outcome = cleaning.outcome()
        yield outcome


class _Cleaning:
    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        raw: RawFile,
        dataset: Dataset,
        month: Month,
        rules: Sequence[Rule],
    ) -> None:
        self.connection = connection
        self.raw = raw
        self.dataset = dataset
        self.month = month
        self.rules = rules
        with named_errors(raw):
            _refuse_ambiguous_names(raw)
            self.source_columns = view_source(connection, raw)
            ((self.source_rows,),) = connection.execute("SELECT count(*) FROM source").fetchall()
        self.matched: FileColumns = match_columns(dataset, month, self.source_columns, raw.path.name)
        self.conditions = Conditions(dataset, month, rules)
        self.readings = {
            column.name: reading(column, self.matched.sources.get(column.name), raw.path.name)
            for column in dataset.columns
        }

    def note_broken_rows(self) -> None:
        """Make the table `broken`: the position of each row that breaks a rule, and which, as a set of bits.

        And `originals`, where those rows are as they are in the file, among a few others; and `broken_bits`, one value
        with a bit for each row of the file, set where the row breaks a rule.
        """
        scan = self.connection.sql(f"SELECT {self.conditions.suspicion} FROM ({self._typed('source')})")
        found = suspects(scan.to_arrow_reader(BATCH_ROWS), self.source_rows)
        self.connection.register("suspects", found)
        self.connection.execute(
            f"CREATE TABLE originals AS FROM source SEMI JOIN suspects ON source.{POSITION} = suspects.position"
        )
        self.connection.execute(f"CREATE VIEW typed AS {self._typed('originals')}")
        lookalikes = (
            f"(SELECT *, {_ROW} AS {SOURCE_ROW} FROM originals SEMI JOIN (FROM suspects WHERE lookalike = 1) AS alike "
            f"ON originals.{POSITION} = alike.position)"
        )
        compared = [column.sql for column in self.source_columns if column.name not in self.matched.ignored]
        self.connection.execute(
            f"CREATE TABLE broken AS SELECT {SOURCE_ROW}, bit_or(marks) AS marks "
            f"FROM ({self.conditions.broken(lookalikes, ', '.join(compared))}) GROUP BY {SOURCE_ROW}"
        )
        self.connection.execute(  # one bit more than there are rows, since a range of none is refused
            f"CREATE TABLE broken_bits AS SELECT bitstring_agg({SOURCE_ROW}, 0, {self.source_rows}) AS bits FROM broken"
        )

    def outcome(self) -> Cleaned:
        first_broken = dict(
            self.connection.execute(
                f"SELECT {self._first_rule()} AS rule, count(*) FROM broken GROUP BY rule"
            ).fetchall()
        )
        rejected = {rule.name: first_broken.get(rule.name, 0) for rule in self.rules}
        facts = {
            **origin_of(self.raw, self.dataset.name),
            f"{PROVENANCE}rules": ",".join(rejected),
            f"{PROVENANCE}source_rows": str(self.source_rows),
            f"{PROVENANCE}rejected_rows": str(sum(rejected.values())),
            f"{PROVENANCE}rejected_by_rule": json.dumps(rejected),
        }
        return Cleaned(
            clean=with_origin(self._clean(), facts),
            quarantine=with_origin(self._quarantine(), facts),
            source_columns=tuple(column.name for column in self.source_columns),
            sources={name: column.name for name, column in self.matched.sources.items()},
            source_rows=self.source_rows,
            rejected=rejected,
            unknown_columns=self.matched.unknown,
            missing_columns=self.matched.missing,
        )

    def _clean(self) -> Rows:
        columns = ", ".join(f"{self.readings[name].sound} AS {quoted(name)}" for name in self.matched.sources)
        return self._stream(
            f"SELECT {columns}, DATE '{self.month.first_day}' AS source_month, {_ROW} AS {SOURCE_ROW} "
            f"FROM source WHERE get_bit(CAST(getvariable('broken_bits') AS BIT), {_ROW}) IS DISTINCT FROM 1"
        ).with_schema(self.dataset.schema)

    def _quarantine(self) -> Rows:
        columns = ", ".join(f"{column.sql} AS {quoted(column.name)}" for column in self.source_columns)
        names = ", ".join(
            f"CASE WHEN marks & {1 << bit} > 0 THEN {literal(rule.name)} END" for bit, rule in enumerate(self.rules)
        )
        return self._stream(
            f"SELECT {columns}, {self._first_rule()} AS rule, list_filter([{names}], lambda name: name IS NOT NULL) "
            f"AS rules, broken.{SOURCE_ROW} FROM originals JOIN broken ON originals.{POSITION} = broken.{SOURCE_ROW} "
            f"ORDER BY broken.{SOURCE_ROW}"
        )

    def _typed(self, rows: str) -> str:
        values = ", ".join(f"{one.value} AS {quoted(name)}" for name, one in self.readings.items())
        unreadable = " OR ".join(f"({one.unreadable})" for one in self.readings.values())
        return (
            f"SELECT {values}, {unreadable} AS unreadable_value, {fingerprint(self._telling())} AS same_row, "
            f"{_ROW} AS {SOURCE_ROW} FROM {rows}"
        )

    def _telling(self) -> list[str]:
        """The file's columns that hardly two trips have the same values in."""
        roles = (name for name in (self.dataset.distance, self.dataset.total) if name is not None)
        telling = {"pickup_datetime", "dropoff_datetime", "dispatching_base_num", *roles} & self.matched.sources.keys()
        return [self.matched.sources[name].sql for name in sorted(telling)]

    def _first_rule(self) -> str:
        cases = " ".join(
            f"WHEN marks & {1 << bit} > 0 THEN {literal(rule.name)}" for bit, rule in enumerate(self.rules)
        )
        return f"CASE {cases} END"

    def _stream(self, query: str) -> Rows:
        def open_batches() -> Iterator[pa.RecordBatch]:
            # A connection has one open result at a time, and both streams may be open at once.
            with named_errors(self.raw), self.connection.cursor() as cursor:
                cursor.execute("SET VARIABLE broken_bits = (SELECT bits FROM broken_bits)")
                yield from cursor.sql(query).to_arrow_reader(BATCH_ROWS)

        with self.connection.sql(query).limit(0).to_arrow_reader() as reader:
            return Rows(reader.schema, open_batches)


def _refuse_ambiguous_names(raw: RawFile) -> None:
    """Refuse columns that SQL, which knows no case, or the quarantine could not tell apart."""
    import pyarrow.parquet as pq

    names = pq.read_schema(raw.path).names
    taken = Counter(name.lower() for name in (*names, *_ADDED))
    ambiguous = [name for name in names if taken[name.lower()] > 1 or not name]
    if ambiguous:
        raise SchemaBroken(
            f"{raw.path.name} has columns that cannot be told apart by name, case aside, or from those that the "
            f"quarantine adds: {', '.join(map(repr, ambiguous))}"
        )


def view_source(connection: duckdb.DuckDBPyConnection, raw: RawFile) -> list[SourceColumn]:
    """Make the view `source`, the file with the position of each row, and return the file's columns."""
    # A folder above the file may have any name: `a=b` is no column of it, and `[x]` is not the folder `x`.
    file = f"read_parquet({literal(escape(str(raw.path)))}, hive_partitioning = false, {POSITION} = true)"
    # Statistics that are not those of the values would decide by themselves which rows a condition is true for.
    connection.execute("SET disabled_optimizers = 'statistics_propagation'")
    described = connection.execute(f"DESCRIBE FROM {file}").fetchall()
    zones = _zones(raw)
    columns = [SourceColumn(name, kind, zones.get(name)) for name, kind, *_ in described if name != POSITION]
    renamed = "".join(f"{quoted(column.name)} AS {column.sql}, " for column in columns)
    connection.execute(f"CREATE VIEW source AS SELECT {renamed}{POSITION} FROM {file}")
    return columns


def _zones(raw: RawFile) -> dict[str, str]:
    """The time zones that the file states, by column."""
    import pyarrow.parquet as pq

    times = (field for field in pq.read_schema(raw.path) if pa.types.is_timestamp(field.type))
    return {field.name: field.type.tz for field in times if field.type.tz is not None}


@contextmanager
def named_errors(raw: RawFile) -> Iterator[None]:
    """Turn the errors of reading the file into ours.

    Raises:
        BadFile: the file cannot be read.
        StoreUnavailable: there is not enough memory or scratch space.
    """
    try:
        yield
    except TaxiError:
        raise
    except duckdb.OutOfMemoryException as error:
        raise StoreUnavailable(
            f"not enough memory or scratch space to clean {raw.path.name}: make room for it, run it again"
        ) from error
    except (
        duckdb.Error,
        pa.ArrowException,
        OSError,
        UnicodeDecodeError,
    ) as error:  # Arrow reports a broken stream as an OSError
        first_line = str(error).splitlines()[0]
        if is_disk_full(error):
            raise StoreUnavailable(f"no space left to clean {raw.path.name}: make room, run it again") from error
        raise BadFile(f"{raw.path.name} cannot be read: {first_line}") from error
