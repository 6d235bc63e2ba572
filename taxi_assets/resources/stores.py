"""Resource for checks and assets that query the stores; IO managers only read and write slices."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
from pydantic import Field, PrivateAttr

from taxi_assets.resources.postgres import PostgresResource
from taxi_assets.settings import SCHEMA, parse_lake, parse_warehouse
from taxi_assets.stores.base import TableStore
from taxi_assets.stores.scratch import scratch_folder

if TYPE_CHECKING:
    from taxi_assets.stores.lake import Lake


class StoresResource(dg.ConfigurableResource["StoresResource"]):
    """The lake, and the tables in Postgres and in the warehouse."""

    lake_url: str = Field(description="Folder of the lake, or gs://bucket/prefix.")
    warehouse_url: str = Field(description="duckdb:///path, or bigquery://project/dataset.")
    postgres: dg.ResourceDependency[PostgresResource]
    scratch: str = Field(description="Folder for downloads from a bucket; each run removes its own.")
    _run_scratch: Path | None = PrivateAttr(None)

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["StoresResource"]:
        """Keep the run's downloads from a bucket until the run ends."""
        if not self.lake_url.startswith("gs://"):
            yield self
            return
        with scratch_folder(Path(self.scratch)) as folder:
            self._run_scratch = folder
            yield self

    def lake(self) -> "Lake":
        """The lake; opens no connection yet."""
        from taxi_assets.stores.factory import open_lake

        return open_lake(parse_lake(self.lake_url), self._run_scratch or Path(self.scratch))

    def tables(self, store: str) -> TableStore:
        """The tables in `postgres` or in `warehouse`.

        Raises:
            StoreUnavailable: the embedded server cannot be started.
        """
        from taxi_assets.stores.factory import open_warehouse

        if store == "warehouse":
            return open_warehouse(parse_warehouse(self.warehouse_url))
        self.postgres.dsn()  # fails at once if an embedded server cannot start
        from taxi_assets.stores.postgres.store import PostgresStore

        return PostgresStore(self.postgres.dsn, SCHEMA, "source_month")
