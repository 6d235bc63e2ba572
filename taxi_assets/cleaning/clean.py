"""Split one raw month into clean rows and quarantined rows, so that every source row is in exactly one of them.

DuckDB reads the file several times and never holds it: first for what only the whole file tells (refund records,
repeated rows), then to note which rows break which rules, then once for each of the two streams. Rows leave in the
file's order, whatever the number of threads, so that the same file gives the same bytes: DuckDB keeps that order
through a filter, but since version 2 not through a join, so clean rows are told by a bit each and the others sorted.
"""

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from glob import escape
from pathlib import Path

import duckdb
import pyarrow as pa

from taxi_assets.catalog import SOURCE_ROW, Dataset, Rule, select_rules
from taxi_assets.cleaning.lookalikes import positions_of_lookalikes
from taxi_assets.cleaning.readings import FileColumns, SourceColumn, match_columns, reading
from taxi_assets.duckdb_sql import literal, quoted
from taxi_assets.errors import BadFile, SchemaBroken, StoreUnavailable, TaxiError
from taxi_assets.month import Month
from taxi_assets.raw_file import RawFile
from taxi_assets.stores.rows import BATCH_ROWS, PROVENANCE, Rows

MEMORY_LIMIT = "300MB"  # a 20,000,000-row month passes within it; DuckDB spills what does not fit
_POSITION = "file_row_number"
_ADDED = ("rule", "rules", SOURCE_ROW, _POSITION)


@dataclass(frozen=True)
class Cleaned:
    """The outcome of cleaning one month; the two streams can be read while the context that gave it is open.

    Attributes:
        clean: rows that break no rule, under the dataset's canonical schema.
        quarantine: the other rows under their original names with their original values, and `rule` (the first one
            broken), `rules` (all of them) and `source_row`.
        source_rows: rows in the file.
        rejected: rule -> rows that broke it first, for every rule that was applied.
        unknown_columns: columns of the file that the catalogue does not know.
        missing_columns: canonical columns that such a file should have and this one lacks.
    """

    clean: Rows
    quarantine: Rows
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
    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": MEMORY_LIMIT,
        "threads": min(os.cpu_count() or 1, 4),
        "temp_directory": str(scratch),
    }
    with duckdb.connect(config=config) as connection:
        connection.execute("SET GLOBAL TimeZone = 'UTC'")  # or the machine's own would show in the quarantine
        cleaning = _Cleaning(connection, raw, dataset, month, applied)
        with _named_errors(raw):
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
        # A folder above the file may have any name: `a=b` is no column of it, and `[x]` is not the folder `x`.
        file = f"{literal(escape(str(raw.path)))}, hive_partitioning = false, {_POSITION} = true"
        with _named_errors(raw):
            _refuse_ambiguous_names(raw)
            connection.execute(f"CREATE VIEW source AS FROM read_parquet({file})")
            described = connection.execute("DESCRIBE source").fetchall()
            self.source_rows = self._number("SELECT count(*) FROM source")
        self.source_columns = [SourceColumn(name, kind) for name, kind, *_ in described if name != _POSITION]
        self.matched: FileColumns = match_columns(dataset, month, self.source_columns, raw.path.name)

    def note_broken_rows(self) -> None:
        """Make the table `broken`: the position of each row that breaks a rule, and which, as a set of bits.

        And `broken_bits`: one value with a bit for each row of the file, set where the row breaks a rule.
        """
        readings = {
            column.name: reading(column, self.matched.sources.get(column.name), self.raw.path.name)
            for column in self.dataset.columns
        }
        values = ", ".join(f"{one.value} AS {quoted(name)}" for name, one in readings.items())
        unreadable = " OR ".join(f"({one.unreadable})" for one in readings.values())
        self.connection.execute(
            f"CREATE VIEW typed AS SELECT {values}, {unreadable} AS unreadable_value, "
            f"CAST({_POSITION} AS INTEGER) AS {SOURCE_ROW} FROM source"
        )
        marks = [
            self._marks_by_row(),
            *self._marks_of("voided_trip", self._voided),
            *self._marks_of("duplicate", self._repeated),
        ]
        self.connection.execute(
            f"CREATE TABLE broken AS SELECT {SOURCE_ROW}, bit_or(marks) AS marks "
            f"FROM ({' UNION ALL '.join(marks)}) GROUP BY {SOURCE_ROW}"
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
            f"{PROVENANCE}source_url": self.raw.url,
            f"{PROVENANCE}source_sha256": self.raw.sha256,
            f"{PROVENANCE}source_etag": self.raw.etag or "",
            f"{PROVENANCE}source_last_modified": self.raw.last_modified or "",
            f"{PROVENANCE}source_rows": str(self.source_rows),
            f"{PROVENANCE}rejected_rows": str(sum(rejected.values())),
            f"{PROVENANCE}rejected_by_rule": json.dumps(rejected),
        }
        return Cleaned(
            clean=self._clean().with_provenance(facts),
            quarantine=self._quarantine().with_provenance(facts),
            source_rows=self.source_rows,
            rejected=rejected,
            unknown_columns=self.matched.unknown,
            missing_columns=self.matched.missing,
        )

    def _clean(self) -> Rows:
        columns = ", ".join(quoted(column.name) for column in self.dataset.columns)
        return self._stream(
            f"SELECT {columns}, DATE '{self.month.first_day}' AS source_month, {SOURCE_ROW} "
            f"FROM typed WHERE get_bit(CAST(getvariable('broken_bits') AS BIT), {SOURCE_ROW}) IS DISTINCT FROM 1"
        ).with_schema(self.dataset.schema)

    def _quarantine(self) -> Rows:
        originals = ", ".join(f"source.{quoted(column.name)}" for column in self.source_columns)
        names = ", ".join(
            f"CASE WHEN marks & {1 << bit} > 0 THEN {literal(rule.name)} END" for bit, rule in enumerate(self.rules)
        )
        return self._stream(
            f"SELECT {originals}, {self._first_rule()} AS rule, list_filter([{names}], lambda name: name IS NOT NULL) "
            f"AS rules, broken.{SOURCE_ROW} FROM source JOIN broken ON source.{_POSITION} = broken.{SOURCE_ROW} "
            f"ORDER BY broken.{SOURCE_ROW}"
        )

    def _marks_by_row(self) -> str:
        """The rows that break a rule which a row alone can tell."""
        conditions = {"unreadable_value": "unreadable_value", "missing_time": self._missing_time()}
        for rule in self.rules:
            if rule.breaks is not None:
                conditions[rule.name] = rule.breaks.format(
                    distance=self.dataset.distance,
                    total=self.dataset.total,
                    month_start=f"TIMESTAMP '{self.month.first_day}'",
                    month_end=f"TIMESTAMP '{self.month.plus(1).first_day}'",
                )
        asked = [(1 << bit, conditions[rule.name]) for bit, rule in enumerate(self.rules) if rule.name in conditions]
        marks = " + ".join(f"CASE WHEN {condition} THEN {mark} ELSE 0 END" for mark, condition in asked)
        broken = " OR ".join(f"({condition})" for _, condition in asked)
        return f"SELECT {SOURCE_ROW}, {marks} AS marks FROM typed WHERE {broken}"

    def _missing_time(self) -> str:
        times = [column for column in self.dataset.columns if not column.nullable]
        return " OR ".join(f"{column.name} IS NULL" for column in times)

    def _marks_of(self, name: str, rows: Callable[[], str]) -> list[str]:
        """The rows that break one of the rules which only the whole file can tell, where that rule is applied."""
        return [
            f"SELECT {SOURCE_ROW}, {1 << bit} AS marks FROM ({rows()})"
            for bit, rule in enumerate(self.rules)
            if rule.name == name
        ]

    def _voided(self) -> str:
        """Trips whose refund record is in the file; NULL equals NULL, amounts are compared in whole cents."""
        total = self.dataset.total
        same = [
            name
            for name in (
                "vendor_id",
                "pickup_datetime",
                "dropoff_datetime",
                "pickup_location_id",
                "dropoff_location_id",
            )
            if self.dataset.has(name)
        ]
        self.connection.execute(
            f"CREATE TABLE refunds AS SELECT DISTINCT {', '.join(same)}, -round({total} * 100) AS cents "
            f"FROM typed WHERE round({total} * 100) < 0"
        )
        conditions = " AND ".join(f"typed.{name} IS NOT DISTINCT FROM refunds.{name}" for name in same)
        return f"SELECT {SOURCE_ROW} FROM typed SEMI JOIN refunds ON {conditions} AND round({total} * 100) = cents"

    def _repeated(self) -> str:
        """Rows equal to an earlier one; in full only rows are compared whose telling columns are equal to another's."""
        compared = ", ".join(
            quoted(column.name) for column in self.source_columns if column.name not in self.matched.ignored
        )
        roles = (name for name in (self.dataset.distance, self.dataset.total) if name is not None)
        telling = {"pickup_datetime", "dropoff_datetime", "dispatching_base_num", *roles} & self.matched.sources.keys()
        sources = ", ".join(quoted(self.matched.sources[name].name) for name in sorted(telling))
        fingerprints = self.connection.sql(f"SELECT CAST(hash({sources}) & 4294967295 AS UINTEGER) FROM source")
        lookalikes = positions_of_lookalikes(
            (batch.column(0) for batch in fingerprints.to_arrow_reader(BATCH_ROWS)), self.source_rows
        )
        self.connection.register("lookalikes", lookalikes)
        return (
            f"SELECT CAST({_POSITION} AS INTEGER) AS {SOURCE_ROW} FROM source "
            f"SEMI JOIN lookalikes ON {_POSITION} = lookalikes.position "
            f"QUALIFY row_number() OVER (PARTITION BY {compared} ORDER BY {_POSITION}) > 1"
        )

    def _first_rule(self) -> str:
        cases = " ".join(
            f"WHEN marks & {1 << bit} > 0 THEN {literal(rule.name)}" for bit, rule in enumerate(self.rules)
        )
        return f"CASE {cases} END"

    def _stream(self, query: str) -> Rows:
        def open_batches() -> Iterator[pa.RecordBatch]:
            # A connection has one open result at a time, and both streams may be open at once.
            with _named_errors(self.raw), self.connection.cursor() as cursor:
                cursor.execute("SET VARIABLE broken_bits = (SELECT bits FROM broken_bits)")
                yield from cursor.sql(query).to_arrow_reader(BATCH_ROWS)

        with self.connection.sql(query).limit(0).to_arrow_reader() as reader:
            return Rows(reader.schema, open_batches)

    def _number(self, query: str) -> int:
        row = self.connection.execute(query).fetchone()
        return int(row[0]) if row else 0


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


@contextmanager
def _named_errors(raw: RawFile) -> Iterator[None]:
    try:
        yield
    except TaxiError:
        raise
    except (duckdb.Error, pa.ArrowException, OSError) as error:  # Arrow reports a broken stream as an OSError
        first_line = str(error).splitlines()[0]
        if "No space left" in first_line:
            raise StoreUnavailable(f"no space left to clean {raw.path.name}: make room, run it again") from error
        raise BadFile(f"{raw.path.name} cannot be read: {first_line}") from error
