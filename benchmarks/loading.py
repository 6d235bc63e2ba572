"""The two sides of each comparison; every method returns the seconds that its work took."""

import time
from pathlib import Path

import duckdb
import pgpq
import psycopg

from taxi_assets.catalog import DEFAULT_RULES, Dataset
from taxi_assets.cleaning import cleaned_month
from taxi_assets.month import Month
from taxi_assets.raw_file import RawFile, sha256_of
from taxi_assets.stores.base import TableSlice
from taxi_assets.stores.lake.folder.store import LocalLake
from taxi_assets.stores.postgres.embedded import embedded_url
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

    def clean_and_write(self) -> float:
        """Clean the month and write both outcomes, as the assets do."""
        started = time.perf_counter()
        with cleaned_month(self._raw, self._dataset, self._month, DEFAULT_RULES, self._work / "scratch") as cleaned:
            self.lake.replace(TableSlice(f"quarantine/{self._dataset.table}", self._month), cleaned.quarantine)
            self.lake.replace(TableSlice(f"clean/{self._dataset.table}", self._month), cleaned.clean)
        return time.perf_counter() - started

    def copy_as_it_is(self) -> float:
        """DuckDB's own Parquet to Parquet, with its own defaults."""
        copy = self._work / "copy.parquet"
        started = time.perf_counter()
        with duckdb.connect() as connection:
            connection.execute(f"COPY (FROM '{self._raw.path}') TO '{copy}' (FORMAT parquet)")
        return time.perf_counter() - started

    def rows(self) -> Rows:
        """The clean rows in the lake."""
        self.clean_and_write()
        return self.lake.read(f"clean/{self._dataset.table}", [self._month])


class PostgresLoads:
    """Loading the clean rows of a month into Postgres, by replacing a slice and by the shortest way there is."""

    def __init__(self, work: Path, raw: Path, dataset: Dataset, month: Month) -> None:
        self._rows = Cleaning(work, raw, dataset, month).rows()
        self._piece = TableSlice(dataset.table, month)
        self._url = embedded_url(work / "postgres")
        self._store = PostgresStore(self._url, "taxi", "source_month")
        self._binary = work / "rows.pgcopy"
        encoder = pgpq.ArrowToPostgresBinaryEncoder(self._rows.schema)
        with self._binary.open("wb") as file:
            file.write(encoder.write_header())
            for batch in self._rows.batches():
                file.write(encoder.write_batch(batch))
            file.write(encoder.finish())
        self._binary.chmod(0o644)

    def replace(self) -> float:
        """Replace the month: connect, load, index, exchange, commit."""
        started = time.perf_counter()
        self._store.replace(self._piece, self._rows)
        return time.perf_counter() - started

    def copy_from_file(self) -> float:
        """The server alone reads the same rows from a file into a new table without index, and commits."""
        columns = ", ".join(f"{field.name} {TYPE_NAMES[field.type]}" for field in self._rows.schema)
        with psycopg.connect(self._url) as connection:
            connection.execute("DROP TABLE IF EXISTS shortest")
            connection.execute(f"CREATE TABLE shortest ({columns})")
            connection.commit()
            started = time.perf_counter()
            connection.execute(f"COPY shortest FROM '{self._binary}' (FORMAT binary)")
            connection.commit()
            return time.perf_counter() - started
