"""IO manager for tables in a DuckDB file. Imported only where it is used, since DuckDB is slow to import."""

from collections.abc import Sequence

import dagster as dg
import dagster_duckdb
from pydantic import Field

from taxi_assets.io_managers.tables import TableIOManager, known
from taxi_assets.settings.urls import local_path
from taxi_assets.stores.base import TableStore
from taxi_assets.stores.partition import Partition


class DuckDBIOManager(TableIOManager):
    """Keeps each asset in a table of a DuckDB file, replaced a partition at a time, each in one transaction.

    The resource's `connection_config` holds for it too; without one DuckDB takes two threads and 512 MB of memory.
    """

    reserved_tables = frozenset({"loaded_months", "loaded_partitions"})

    duckdb: dg.ResourceDependency[dagster_duckdb.DuckDBResource]
    schema_name: str = Field(default="public", description="Schema that holds the tables; created if it is missing.")
    patience: float = Field(
        default=300,
        description="Seconds to wait for other processes with the file open, as notebooks; loads queue without limit.",
    )

    def place(self) -> tuple[object, ...]:
        """The file, and the schema, whose upper and lower case DuckDB does not tell apart."""
        database = known(self.duckdb, "database")
        if isinstance(database, str) and not isinstance(database, dg.EnvVar):
            database = local_path("the DuckDB resource's database", database).absolute()
        return ("duckdb", database, self.schema_name.lower())

    def schema_path(self) -> tuple[str, ...]:
        """The schema."""
        return (self.schema_name,)

    def same_table(self, table: str, partitions: Sequence[Partition], name: str) -> bool:
        """True also for a name that differs in upper and lower case only."""
        return name.lower() == table.lower()

    def open_store(self, key_column: str | None = None) -> TableStore:
        """The tables in the file."""
        from taxi_assets.stores.duckdb.store import DuckDBStore

        path = local_path("the DuckDB resource's database", self.duckdb.database)
        return DuckDBStore(
            path, self.schema_name, key_column, lock_patience=self.patience, config=self.duckdb.connection_config
        )
