"""Clean one month: split its source file into a stream of clean rows and a stream of quarantined rows.

DuckDB reads the file several times and never holds it in memory: once to find candidates (rows that break a row-level
rule, refund records, repeated rows), once to copy the candidates, then once for each stream. The rules are evaluated
in full on the candidates only. Both streams are in the file's order whatever the number of threads, so that cleaning
is idempotent to the byte. DuckDB keeps that order through a filter but, since version 2, not through a join: clean rows
are therefore filtered by a bitstring, and the quarantined ones sorted.
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
from taxi_assets.cleaning.candidates import find_candidates
from taxi_assets.cleaning.casts import FileColumns, SourceColumn, column_cast, match_columns
from taxi_assets.cleaning.provenance import file_provenance, with_file_provenance
from taxi_assets.cleaning.rows_version import version_provenance
from taxi_assets.cleaning.rule_sql import RuleSql, fingerprint
from taxi_assets.errors import BadFile, SchemaBroken, StoreUnavailable, TaxiError
from taxi_assets.month import Month
from taxi_assets.raw_file import RawFile
from taxi_assets.stores.duckdb.engine import is_disk_full, query_config
from taxi_assets.stores.duckdb.sql import literal, quoted
from taxi_assets.stores.rows import BATCH_ROWS, PROVENANCE, Rows

POSITION = "file_row_number"  # DuckDB's name for a row's position in a Parquet file, from 0
_ROW = f"CAST({POSITION} AS INTEGER)"
_QUARANTINE_COLUMNS = ("rule", "rules", SOURCE_ROW, POSITION)


@dataclass(frozen=True)
class Cleaned:
    """The result of cleaning one month; its streams are readable while the context of `cleaned_month` is open.

    Attributes:
        clean: rows that break no rule, in the dataset's canonical schema.
        quarantine: the other rows with their original columns and values, and `rule` (the first broken rule), `rules`
            (all broken rules) and `source_row`.
        source_columns: the names of the file's columns.
        sources: column mapping: canonical column -> the file's column, for the columns that the file has.
        source_rows: number of rows in the file.
        rejected: rule -> number of rows whose first broken rule it is, for every applied rule.
        unknown_columns: columns of the file that the catalogue does not have.
        missing_columns: canonical columns that the era has and the file lacks.
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
    """Clean the source file of a month.

    Args:
        raw: the source file.
        dataset: the dataset, which the file's columns are mapped to.
        month: the file's month, which pickup times may contradict.
        rules: names of the rules to apply; those that always apply are added.
        scratch: a folder for DuckDB's temporary files.

    Raises:
        InvalidRequest: there is no rule of such a name.
        SchemaBroken: required columns are missing, two columns map to the same one, a type has no cast, or the names
            are ambiguous.
        BadFile: the file cannot be read; also raised while a stream is read.
        StoreUnavailable: memory or the scratch folder's disk is full; also raised while a stream is read.
    """
    applied = select_rules(dataset, rules)
    with duckdb.connect(config=query_config(scratch)) as connection:
        connection.execute("SET GLOBAL TimeZone = 'UTC'")  # the machine's would change the quarantine's values
        cleaning = _Cleaning(connection, raw, dataset, month, applied)
        with map_read_errors(raw):
            cleaning.find_broken_rows()
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
        with map_read_errors(raw):
            _refuse_ambiguous_names(raw)
            self.source_columns = create_source_view(connection, raw)
            ((self.source_rows,),) = connection.execute("SELECT count(*) FROM source").fetchall()
        self.matched: FileColumns = match_columns(dataset, month, self.source_columns, raw.path.name)
        self.rule_sql = RuleSql(dataset, month, rules)
        self.casts = {
            column.name: column_cast(column, self.matched.sources.get(column.name), raw.path.name)
            for column in dataset.columns
        }

    def find_broken_rows(self) -> None:
        """Create three tables from one pass over the file and a closer examination of the candidates.

        `candidate_rows`: rows that may break a rule, as in the file. `broken`: `source_row` and `rule_bits` of the rows
        that do. `broken_bits`: a single bitstring with a bit per row of the file, set for rows in `broken`.
        """
        scan = self.connection.sql(f"SELECT {self.rule_sql.candidate_columns} FROM ({self._typed('source')})")
        found = find_candidates(scan.to_arrow_reader(BATCH_ROWS), self.source_rows)
        self.connection.register("candidates", found)
        self.connection.execute(
            "CREATE TABLE candidate_rows AS "
            f"FROM source SEMI JOIN candidates ON source.{POSITION} = candidates.position"
        )
        self.connection.execute(f"CREATE VIEW typed AS {self._typed('candidate_rows')}")
        repeated_rows = (
            f"(SELECT *, {_ROW} AS {SOURCE_ROW} FROM candidate_rows "
            f"SEMI JOIN (FROM candidates WHERE is_repeated = 1) AS repeated "
            f"ON candidate_rows.{POSITION} = repeated.position)"
        )
        compared = [column.sql for column in self.source_columns if column.name not in self.matched.ignored]
        self.connection.execute(
            f"CREATE TABLE broken AS SELECT {SOURCE_ROW}, bit_or(rule_bits) AS rule_bits "
            f"FROM ({self.rule_sql.broken_rules_query(repeated_rows, ', '.join(compared))}) GROUP BY {SOURCE_ROW}"
        )
        self.connection.execute(  # one bit more than rows, since DuckDB rejects an empty range
            f"CREATE TABLE broken_bits AS SELECT bitstring_agg({SOURCE_ROW}, 0, {self.source_rows}) AS bits FROM broken"
        )

    def outcome(self) -> Cleaned:
        first_broken = dict(
            self.connection.execute(
                f"SELECT {self._first_rule()} AS rule, count(*) FROM broken GROUP BY rule"
            ).fetchall()
        )
        rejected = {rule.name: first_broken.get(rule.name, 0) for rule in self.rules}
        provenance = {
            **file_provenance(self.raw, self.dataset.name),
            **version_provenance(self.dataset, self.month, self.rules),
            f"{PROVENANCE}rules": ",".join(rejected),
            f"{PROVENANCE}source_rows": str(self.source_rows),
            f"{PROVENANCE}rejected_rows": str(sum(rejected.values())),
            f"{PROVENANCE}rejected_by_rule": json.dumps(rejected),
        }
        return Cleaned(
            clean=with_file_provenance(self._clean(), provenance),
            quarantine=with_file_provenance(self._quarantine(), provenance),
            source_columns=tuple(column.name for column in self.source_columns),
            sources={name: column.name for name, column in self.matched.sources.items()},
            source_rows=self.source_rows,
            rejected=rejected,
            unknown_columns=self.matched.unknown,
            missing_columns=self.matched.missing,
        )

    def _clean(self) -> Rows:
        columns = ", ".join(f"{self.casts[name].unchecked} AS {quoted(name)}" for name in self.matched.sources)
        return self._stream(
            f"SELECT {columns}, DATE '{self.month.first_day}' AS source_month, {_ROW} AS {SOURCE_ROW} "
            f"FROM source WHERE get_bit(CAST(getvariable('broken_bits') AS BIT), {_ROW}) IS DISTINCT FROM 1"
        ).with_schema(self.dataset.schema)

    def _quarantine(self) -> Rows:
        columns = ", ".join(f"{column.sql} AS {quoted(column.name)}" for column in self.source_columns)
        names = ", ".join(
            f"CASE WHEN rule_bits & {1 << bit} > 0 THEN {literal(rule.name)} END" for bit, rule in enumerate(self.rules)
        )
        return self._stream(
            f"SELECT {columns}, {self._first_rule()} AS rule, list_filter([{names}], lambda name: name IS NOT NULL) "
            f"AS rules, broken.{SOURCE_ROW} FROM candidate_rows "
            f"JOIN broken ON candidate_rows.{POSITION} = broken.{SOURCE_ROW} ORDER BY broken.{SOURCE_ROW}"
        )

    def _typed(self, rows: str) -> str:
        values = ", ".join(f"{one.value} AS {quoted(name)}" for name, one in self.casts.items())
        unreadable = " OR ".join(f"({one.unreadable})" for one in self.casts.values())
        return (
            f"SELECT {values}, {unreadable} AS unreadable_value, "
            f"{fingerprint(self._identifying_columns())} AS row_fingerprint, {_ROW} AS {SOURCE_ROW} FROM {rows}"
        )

    def _identifying_columns(self) -> list[str]:
        """The file's columns with enough distinct values that few unequal rows have equal fingerprints."""
        roles = (name for name in (self.dataset.distance, self.dataset.total) if name is not None)
        names = {"pickup_datetime", "dropoff_datetime", "dispatching_base_num", *roles} & self.matched.sources.keys()
        return [self.matched.sources[name].sql for name in sorted(names)]

    def _first_rule(self) -> str:
        cases = " ".join(
            f"WHEN rule_bits & {1 << bit} > 0 THEN {literal(rule.name)}" for bit, rule in enumerate(self.rules)
        )
        return f"CASE {cases} END"

    def _stream(self, query: str) -> Rows:
        def open_batches() -> Iterator[pa.RecordBatch]:
            # A cursor per stream: a connection has one open result, and both streams may be open at once.
            with map_read_errors(self.raw), self.connection.cursor() as cursor:
                cursor.execute("SET VARIABLE broken_bits = (SELECT bits FROM broken_bits)")
                yield from cursor.sql(query).to_arrow_reader(BATCH_ROWS)

        with self.connection.sql(query).limit(0).to_arrow_reader() as reader:
            return Rows(reader.schema, open_batches)


def _refuse_ambiguous_names(raw: RawFile) -> None:
    """Refuse empty column names, and names that are equal case-insensitively to another or to a quarantine column."""
    import pyarrow.parquet as pq

    names = pq.read_schema(raw.path).names
    taken = Counter(name.lower() for name in (*names, *_QUARANTINE_COLUMNS))
    ambiguous = [name for name in names if taken[name.lower()] > 1 or not name]
    if ambiguous:
        raise SchemaBroken(
            f"{raw.path.name} has ambiguous column names, equal case-insensitively to each other or to a column that "
            f"the quarantine adds: {', '.join(map(repr, ambiguous))}"
        )


def create_source_view(connection: duckdb.DuckDBPyConnection, raw: RawFile) -> list[SourceColumn]:
    """Create the view `source`, with the file's columns and each row's position; returns the columns."""
    # Parent folders may have any name: `a=b` is not a Hive partition, and `[x]` is not a glob pattern.
    file = f"read_parquet({literal(escape(str(raw.path)))}, hive_partitioning = false, {POSITION} = true)"
    # DuckDB would evaluate predicates by the file's statistics alone, which may be wrong.
    connection.execute("SET disabled_optimizers = 'statistics_propagation'")
    described = connection.execute(f"DESCRIBE FROM {file}").fetchall()
    zones = _time_zones(raw)
    columns = [SourceColumn(name, kind, zones.get(name)) for name, kind, *_ in described if name != POSITION]
    renamed = "".join(f"{quoted(column.name)} AS {column.sql}, " for column in columns)
    connection.execute(f"CREATE VIEW source AS SELECT {renamed}{POSITION} FROM {file}")
    return columns


def _time_zones(raw: RawFile) -> dict[str, str]:
    """Column -> time zone in the file's schema."""
    import pyarrow.parquet as pq

    times = (field for field in pq.read_schema(raw.path) if pa.types.is_timestamp(field.type))
    return {field.name: field.type.tz for field in times if field.type.tz is not None}


@contextmanager
def map_read_errors(raw: RawFile) -> Iterator[None]:
    """Map the errors of reading the file.

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
    ) as error:  # Arrow raises OSError for a broken stream
        first_line = str(error).splitlines()[0]
        if is_disk_full(error):
            raise StoreUnavailable(f"no space left to clean {raw.path.name}: make room, run it again") from error
        raise BadFile(f"{raw.path.name} cannot be read: {first_line}") from error
