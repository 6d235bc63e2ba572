"""The IO managers for tables: what the databases have in common, Postgres, and DuckDB.

A table is called what the asset's definition metadata `dagster/table_name` says, or else after the last part of the
asset's key, and lies in one schema or dataset. A partitioned asset's months are told apart by a DATE column that holds
the month's first day, which is added where the rows do not bring it.
"""

from abc import abstractmethod
from typing import Any

import dagster as dg
import dagster_duckdb
from pydantic import Field

from taxi_assets.errors import InvalidRequest
from taxi_assets.io_managers.common import definition_metadata, load_slice, map_errors_to_failures, store_slice
from taxi_assets.io_managers.load_log import entry_of
from taxi_assets.resources.postgres import PostgresResource
from taxi_assets.settings.urls import local_path
from taxi_assets.stores.base import Stored, TableSlice, TableStore
from taxi_assets.stores.rows import Rows

TABLE_NAME = "dagster/table_name"


class TableIOManager(dg.ConfigurableIOManager):
    """What the databases have in common; `open_store` is all that a further database has to bring."""

    month_column: str = Field(default="source_month", description="DATE column with the first day of a row's month.")
    audit_table: str | None = Field(
        default=None,
        description="Audit table: one row per load, in the same transaction where there are any; none if not set.",
    )
    store_name: str | None = Field(
        default=None, description="What the audit table calls this store; where it is not set, the key's first part."
    )

    @abstractmethod
    def open_store(self) -> TableStore:
        """The store, ready to use."""

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Replace the asset's table, or the month of it that the partition stands for, with the output."""
        with map_errors_to_failures():
            store = self.open_store()
            table = _table_of(context, store)

        def replace(piece: TableSlice, rows: Rows) -> Stored:
            name = self.store_name or context.asset_key.path[0]
            entry = None if self.audit_table is None else entry_of(context, self.audit_table, name, rows)
            return store.replace(piece, rows, entry)

        piece = store_slice(context, replace, table, obj)
        context.add_output_metadata({TABLE_NAME: store.table_name(piece.table)})

    def load_input(self, context: dg.InputContext) -> Any:
        """The rows that the input asks for, in the type that it is annotated with."""
        with map_errors_to_failures():
            store = self.open_store()
            table = _table_of(context, store)
        return load_slice(context, store, table)


class PostgresIOManager(TableIOManager):
    """Keeps each asset in a Postgres table, partitioned by month and replaced a month at a time in one transaction."""

    postgres: dg.ResourceDependency[PostgresResource]
    schema_name: str = Field(default="public", description="Schema that holds the tables; made where it is missing.")

    def open_store(self) -> TableStore:
        """The tables on the server; each connection starts an embedded server where it does not run."""
        self.postgres.dsn()  # fails at once where an embedded server cannot be started
        from taxi_assets.stores.postgres.store import PostgresStore

        return PostgresStore(self.postgres.dsn, self.schema_name, self.month_column)


class DuckDBIOManager(TableIOManager):
    """Keeps each asset in a table of a DuckDB file, replaced a month at a time in one transaction."""

    duckdb: dg.ResourceDependency[dagster_duckdb.DuckDBResource]
    schema_name: str = Field(default="public", description="Schema that holds the tables; made where it is missing.")
    patience: float = Field(
        default=300,
        description="Seconds to wait for others who have the file open, such as a notebook; loads queue without limit.",
    )

    def open_store(self) -> TableStore:
        """The tables in the file."""
        from taxi_assets.stores.duckdb.store import DuckDBStore

        path = local_path("the DuckDB resource's database", self.duckdb.database)
        return DuckDBStore(path, self.schema_name, self.month_column, lock_patience=self.patience)


def _table_of(context: dg.InputContext | dg.OutputContext, store: TableStore) -> str:
    """The table that holds the asset.

    Raises:
        InvalidRequest: the asset's metadata names a table in another schema than the IO manager's.
    """
    name = definition_metadata(context).get(TABLE_NAME)
    if name is None:
        return context.asset_key.path[-1]
    *schema, table = str(getattr(name, "value", name)).split(".")
    own = store.table_name(table).split(".")[:-1]
    if schema and own[-len(schema) :] != schema:
        raise InvalidRequest(
            f"{context.asset_key.to_user_string()} is to be kept in {'.'.join(schema)}, by its metadata {TABLE_NAME}, "
            f"and its IO manager writes to {'.'.join(own)}: change one of the two"
        )
    return table
