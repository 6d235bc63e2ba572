"""IO manager for tables in a DuckDB file. Imported only where it is used, since DuckDB is slow to import."""

import dagster as dg
import dagster_duckdb
from pydantic import Field

from taxi_assets.io_managers.tables import TableIOManager
from taxi_assets.settings.urls import local_path
from taxi_assets.stores.base import TableStore


class DuckDBIOManager(TableIOManager):
    """Keeps each asset in a table of a DuckDB file, replaced a partition at a time, each in one transaction."""

    reserved_tables = frozenset({"loaded_months", "loaded_partitions"})

    duckdb: dg.ResourceDependency[dagster_duckdb.DuckDBResource]
    schema_name: str = Field(default="public", description="Schema that holds the tables; created if it is missing.")
    patience: float = Field(
        default=300,
        description="Seconds to wait for other processes with the file open, as notebooks; loads queue without limit.",
    )

    def open_store(self, key_column: str | None = None) -> TableStore:
        """The tables in the file."""
        from taxi_assets.stores.duckdb.store import DuckDBStore

        path = local_path("the DuckDB resource's database", self.duckdb.database)
        return DuckDBStore(path, self.schema_name, key_column, lock_patience=self.patience)
