"""IO managers for database tables: the base class, and Postgres. DuckDB's is in `duckdb_file`, BigQuery's in `cloud`.

The definition metadata `dagster/table_name` names the table, else the last part of the asset key does. All tables lie
in one schema or dataset. The key column identifies the partition of a row; it is added if the rows lack it.
"""

from abc import abstractmethod
from typing import Any, ClassVar

import dagster as dg
from pydantic import Field

from taxi_assets.errors import InvalidRequest
from taxi_assets.io_managers.common import (
    Destination,
    definition_metadata,
    key_column_of_asset,
    load_slice,
    map_errors_to_failures,
    store_output,
)
from taxi_assets.io_managers.load_log import entry_of
from taxi_assets.resources.postgres import PostgresResource
from taxi_assets.stores.base import Stored, TableSlice, TableStore
from taxi_assets.stores.partition import Partition
from taxi_assets.stores.rows import Rows

TABLE_NAME = "dagster/table_name"


class TableIOManager(dg.ConfigurableIOManager):
    """Base class of the table IO managers; a subclass implements `open_store`."""

    key_column: str | None = Field(
        default=None,
        description="Column with the key of a row's partition: a window's start, or a name; by default source_month "
        "for months, window_start for other windows, partition_key for names. An asset's metadata partition_expr goes "
        "before it.",
    )
    audit_table: str | None = Field(
        default=None,
        description="Audit table: one row per load, in the load's transaction if the store has any; none if not set.",
    )
    store_name: str | None = Field(
        default=None, description="This store's name in the audit table; by default the first part of the asset key."
    )

    #: Tables that the store keeps records of its own in.
    reserved_tables: ClassVar[frozenset[str]] = frozenset()

    def require_partition(self, partition: Partition) -> None:
        """Refuse a partition that the store cannot replace atomically.

        Raises:
            SchemaMismatch: the text has the reason, and a way out.
        """

    @abstractmethod
    def open_store(self, key_column: str | None = None) -> TableStore:
        """The store, ready to use, for tables with that key column."""

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Replace the asset's table, or partitions of it, with the output."""
        with map_errors_to_failures():
            column = key_column_of_asset(context, self.key_column)
            store = self.open_store(column)
            table = _table_of(context, store)

        def replace(piece: TableSlice, rows: Rows) -> Stored:
            name = self.store_name or context.asset_key.path[0]
            entry = None if self.audit_table is None else entry_of(context, self.audit_table, name, rows)
            return store.replace(piece, rows, entry)

        place = {TABLE_NAME: store.table_name(table)}
        store_output(context, obj, Destination(table, replace, lambda _: place, column))

    def load_input(self, context: dg.InputContext) -> Any:
        """The rows of the input's partitions in its annotated type."""
        with map_errors_to_failures():
            store = self.open_store(key_column_of_asset(context, self.key_column))
            table = _table_of(context, store)
        return load_slice(context, store, table)


class PostgresIOManager(TableIOManager):
    """Keeps each asset in a Postgres table, replaced a partition at a time, each in one transaction."""

    postgres: dg.ResourceDependency[PostgresResource]
    schema_name: str = Field(default="public", description="Schema that holds the tables; created if it is missing.")

    def open_store(self, key_column: str | None = None) -> TableStore:
        """The tables on the server; each connection starts an embedded server that is not running."""
        self.postgres.dsn()  # fails at once if an embedded server cannot start
        from taxi_assets.stores.postgres.store import PostgresStore

        return PostgresStore(self.postgres.dsn, self.schema_name, key_column)


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
            f"{context.asset_key.to_user_string()} belongs in {'.'.join(schema)} by its metadata {TABLE_NAME}, "
            f"and its IO manager writes to {'.'.join(own)}: change one of the two"
        )
    return table
