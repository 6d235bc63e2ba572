"""The sides of the comparisons of one store each: this package, and the shortest way there is."""

from pathlib import Path

import duckdb
import pgpq
import psutil
import psycopg

from benchmarks.measuring import Cost, cost_of
from taxi_assets.catalog import DEFAULT_RULES, Dataset
from taxi_assets.cleaning import cleaned_month
from taxi_assets.month import Month
from taxi_assets.raw_file import RawFile, sha256_of
from taxi_assets.stores.base import TableSlice
from taxi_assets.stores.duckdb.store import DuckDBStore
from taxi_assets.stores.lake.folder.store import LocalLake
from taxi_assets.stores.postgres.store import PostgresStore
from taxi_assets.stores.postgres.tables import TYPE_NAMES
from taxi_assets.stores.rows import Rows


class Cleaning:
    """Cleaning a raw file into a lake, and copying it as it is."""

    def __init__(self, work: Path, raw: Path, dataset: Dataset, month: Month) -> None:
        self.lake = LocalLake(work / "lake")
        self._work = work
        self._raw = RawFile(raw, raw.as_uri(), raw.stat().st_size, sha256_of(raw), None)
        self._dataset = dataset
        self._month = month

    def clean_and_write(self) -> Cost:
        """Clean the month and write both outcomes, as the assets do."""
        return cost_of(self._clean_and_write)

    def copy_as_it_is(self) -> Cost:
        """DuckDB's own Parquet to Parquet, with its own defaults."""
        return cost_of(self._copy)

    def rows(self) -> Rows:
        """The clean rows in the lake."""
        self._clean_and_write()
        return self.lake.read(f"clean/{self._dataset.table}", [self._month])

    def _clean_and_write(self) -> None:
        with cleaned_month(self._raw, self._dataset, self._month, DEFAULT_RULES, self._work / "scratch") as cleaned:
            self.lake.replace(TableSlice(f"quarantine/{self._dataset.table}", self._month), cleaned.quarantine)
            self.lake.replace(TableSlice(f"clean/{self._dataset.table}", self._month), cleaned.clean)

    def _copy(self) -> None:
        with duckdb.connect() as connection:
            connection.execute(f"COPY (FROM '{self._raw.path}') TO '{self._work}/copy.parquet' (FORMAT parquet)")


class PostgresLoads:
    """Loading the clean rows of a month into Postgres, by replacing a slice and by the shortest way there is.

    Args:
        work: a folder whose files the server can read.
        rows: the clean rows.
        piece: the slice of the month.
        url: the server's.
    """

    def __init__(self, work: Path, rows: Rows, piece: TableSlice, url: str) -> None:
        self._rows = rows
        self._piece = piece
        self._url = url
        self._store = PostgresStore(url, "taxi", "source_month")
        self._binary = work / "rows.pgcopy"
        if not self._binary.exists():
            self._write_binary()
        with psycopg.connect(url) as connection:
            self._server = psutil.Process(connection.info.backend_pid).ppid()

    def replace(self) -> Cost:
        """Replace the month: connect, load, index, exchange, commit."""
        return cost_of(lambda: self._store.replace(self._piece, self._rows), self._server)

    def copy_from_file(self) -> Cost:
        """The server alone reads the same rows from a file into a table of the same transaction, frozen; no index."""
        with psycopg.connect(self._url) as connection:
            connection.execute("DROP TABLE IF EXISTS shortest")
        return cost_of(self._create_and_copy, self._server)

    def _create_and_copy(self) -> None:
        columns = ", ".join(f"{field.name} {TYPE_NAMES[field.type]}" for field in self._rows.schema)
        with psycopg.connect(self._url) as connection:
            connection.execute(f"CREATE TABLE shortest ({columns})")
            connection.execute(f"COPY shortest FROM '{self._binary}' (FORMAT binary, FREEZE)")

    def _write_binary(self) -> None:
        encoder = pgpq.ArrowToPostgresBinaryEncoder(self._rows.schema)
        with self._binary.open("wb") as file:
            file.write(encoder.write_header())
            for batch in self._rows.batches():
                file.write(encoder.write_batch(batch))
            file.write(encoder.finish())
        self._binary.chmod(0o644)


class WarehouseLoads:
    """Loading the same rows into a DuckDB file, by replacing a slice and by `CREATE TABLE AS`."""

    def __init__(self, work: Path, rows: Rows, piece: TableSlice) -> None:
        self._rows = rows
        self._piece = piece
        self._store = DuckDBStore(work / "replaced.duckdb", "taxi", "source_month")
        self._bare = work / "bare.duckdb"

    def replace(self) -> Cost:
        """Replace the month: connect, load, commit, close."""
        return cost_of(lambda: self._store.replace(self._piece, self._rows))

    def create_as(self) -> Cost:
        """DuckDB alone, with its own defaults, into a table that replaces the one before."""
        return cost_of(self._create_as)

    def _create_as(self) -> None:
        with duckdb.connect(self._bare) as connection:
            connection.execute(f"CREATE OR REPLACE TABLE bare AS FROM read_parquet({list(self._rows.files)})")
