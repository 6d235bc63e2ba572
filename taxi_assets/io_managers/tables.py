"""The IO managers for tables: Postgres, BigQuery, and DuckDB as the local warehouse.

A table is called after the last part of the asset's key and lies in one schema or dataset; a partitioned asset's months
are told apart by a DATE column that holds the month's first day, which is added where the rows do not bring it.
"""

from abc import abstractmethod
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field, PrivateAttr

from taxi_assets.io_managers.common import load_slice, named_failures, store_slice
from taxi_assets.io_managers.load_log import entry_of
from taxi_assets.settings.urls import local_path
from taxi_assets.stores.base import Stored, TableSlice, TableStore
from taxi_assets.stores.rows import Rows


class TableIOManager(dg.ConfigurableIOManager):
    """What the databases have in common; `open_store` is all that a further database has to bring."""

    month_column: str = Field(default="source_month", description="DATE column with the first day of a row's month.")
    audit_table: str | None = Field(
        default=None,
        description="Table that every load is told in, in the same transaction where there are any; none if not set.",
    )

    @abstractmethod
    def open_store(self) -> TableStore:
        """The store, ready to use."""

    def store(self) -> TableStore:
        """The store itself, for checks and for whoever wants more than whole assets."""
        with named_failures():
            return self.open_store()

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Replace the asset's table, or the month of it that the partition stands for, with the output."""
        store = self.store()

        def replace(piece: TableSlice, rows: Rows) -> Stored:
            entry = None if self.audit_table is None else entry_of(context, self.audit_table, rows)
            return store.replace(piece, rows, entry)

        piece = store_slice(context, replace, context.asset_key.path[-1], obj)
        context.add_output_metadata({"dagster/table_name": store.table_name(piece.table)})

    def load_input(self, context: dg.InputContext) -> Any:
        """The rows that the input asks for, in the type that it is annotated with."""
        return load_slice(context, self.store(), context.asset_key.path[-1])


class _SchemaIOManager(TableIOManager):
    schema_name: str = Field(default="public", description="Schema that holds the tables; made where it is missing.")


class PostgresIOManager(_SchemaIOManager):
    """Keeps each asset in a Postgres table, partitioned by month and replaced a month at a time in one transaction."""

    url: str = Field(
        description="postgresql://user:password@host:5432/database; give it as dg.EnvVar to keep it secret."
    )

    def open_store(self) -> TableStore:
        """The store behind the URL."""
        from taxi_assets.stores.postgres.store import PostgresStore

        return PostgresStore(self.url.strip(), self.schema_name, self.month_column)


class EmbeddedPostgresIOManager(_SchemaIOManager):
    """The same on a PostgreSQL server of one's own, which is made in a folder and runs while it is used."""

    folder: str = Field(description="Folder of the server's data.")
    _url: Future[str] | None = PrivateAttr(None)

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Begin to start the server, so that it is up by the time there are rows to load."""
        self._url = ThreadPoolExecutor(1).submit(self._start)

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        """Leave nobody behind who is still starting it."""
        if self._url is not None:
            wait([self._url])

    def open_store(self) -> TableStore:
        """The store on the server in the folder, which each of its connections starts where it does not run."""
        self._start()  # says at once where it cannot
        from taxi_assets.stores.postgres.store import PostgresStore

        return PostgresStore(self._start, self.schema_name, self.month_column)

    def _start(self) -> str:
        import taxi_assets.stores.postgres  # noqa: F401 - a third of a second that cleaning does not wait for
        from taxi_assets.stores.postgres.embedded import embedded_url

        return embedded_url(Path(self.folder))


class BigQueryIOManager(TableIOManager):
    """Keeps each asset in a BigQuery table, partitioned by month and replaced a month at a time by one load job.

    Rows that lie in GCS are loaded from there by BigQuery itself; others are uploaded as Parquet.
    """

    project: str = Field(description="Google Cloud project that holds the dataset and is billed.")
    dataset: str = Field(description="BigQuery dataset that holds the tables; made where it is missing.")
    location: str | None = Field(default=None, description="Where the dataset is, or is made, for example US.")
    require_partition_filter: bool = Field(
        default=False, description="Whether queries must say which months they mean, so that none scans them all."
    )

    def open_store(self) -> TableStore:
        """The store in the dataset."""
        from taxi_assets.stores.bigquery.client import open_client
        from taxi_assets.stores.bigquery.store import BigQueryStore

        return BigQueryStore(
            partial(open_client, self.project, self.location),
            self.project,
            self.dataset,
            self.month_column,
            location=self.location,
            require_partition_filter=self.require_partition_filter,
        )


class DuckDBIOManager(_SchemaIOManager):
    """Keeps each asset in a table of a DuckDB file, replaced a month at a time in one transaction."""

    path: str = Field(description="The database file; made where it is missing.")
    patience: float = Field(
        default=300,
        description="Seconds to wait for others who have the file open, such as a notebook; loads queue without limit.",
    )

    def open_store(self) -> TableStore:
        """The store in the file."""
        from taxi_assets.stores.duckdb.store import DuckDBStore

        path = local_path("the DuckDB IO manager's path", self.path)
        return DuckDBStore(path, self.schema_name, self.month_column, lock_patience=self.patience)
