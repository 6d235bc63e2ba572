"""IO managers for database tables: the base class, and Postgres. DuckDB's is in `duckdb_file`, BigQuery's in `cloud`.

The definition metadata `dagster/table_name` names the table, else the last part of the asset key does. All tables lie
in one schema or dataset. The key column identifies the partition of a row; it is added if the rows lack it.
"""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import dagster as dg
from pydantic import Field

from taxi_assets.io_managers.common import (
    Destination,
    definition_metadata,
    key_column_of_asset,
    load_slice,
    map_errors_to_failures,
    store_output,
)
from taxi_assets.io_managers.load_log import entry_of
from taxi_assets.io_managers.table_names import TABLE_NAME, require_schema, table_of
from taxi_assets.resources.postgres import PostgresResource
from taxi_assets.stores.base import Stored, TableSlice, TableStore
from taxi_assets.stores.partition import Partition
from taxi_assets.stores.rows import Rows


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
    def place(self) -> tuple[object, ...]:
        """Where the tables are, without a connection: IO managers of one place share them."""

    @abstractmethod
    def schema_path(self) -> tuple[str, ...]:
        """What may stand before a table's name in metadata, for example project and dataset."""

    def require_names(self, table: str, columns: Sequence[str], partitions: Sequence[Partition]) -> None:
        """Refuse a name that the store cuts, or cannot have.

        Args:
            table: the table's name.
            columns: those columns whose names are known.
            partitions: of the table; of windows, one stands for all.

        Raises:
            SchemaMismatch: the text has the name.
        """

    def same_table(self, table: str, partitions: Sequence[Partition], name: str) -> bool:
        """True: the name is the table's own in this store, or that of one of its partitions."""
        return name == table

    @abstractmethod
    def open_store(self, key_column: str | None = None) -> TableStore:
        """The store, ready to use, for tables with that key column."""

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Replace the asset's table, or partitions of it, with the output."""
        with map_errors_to_failures():
            column = key_column_of_asset(context, self.key_column)
            store = self.open_store(column)
            table = _table_in(context, store)

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
            table = _table_in(context, store)
        return load_slice(context, store, table)


class PostgresIOManager(TableIOManager):
    """Keeps each asset in a Postgres table, replaced a partition at a time, each in one transaction."""

    postgres: dg.ResourceDependency[PostgresResource]
    schema_name: str = Field(default="public", description="Schema that holds the tables; created if it is missing.")

    def place(self) -> tuple[object, ...]:
        """The server, and the schema."""
        return ("postgres", known(self.postgres, "url"), known(self.postgres, "folder"), self.schema_name)

    def schema_path(self) -> tuple[str, ...]:
        """The schema."""
        return (self.schema_name,)

    def require_names(self, table: str, columns: Sequence[str], partitions: Sequence[Partition]) -> None:
        """Refuse what Postgres would cut: see `TableIOManager.require_names`."""
        from taxi_assets.stores.postgres.names import incoming_name, require_short

        require_short([table, *columns, *(incoming_name(table, partition) for partition in partitions)])

    def same_table(self, table: str, partitions: Sequence[Partition], name: str) -> bool:
        """True also for a partition's name, since each is a table."""
        from taxi_assets.stores.postgres.names import is_partition_name

        return name == table or any(is_partition_name(table, partition, name) for partition in partitions)

    def open_store(self, key_column: str | None = None) -> TableStore:
        """The tables on the server; each connection starts an embedded server that is not running."""
        self.postgres.dsn()  # fails at once if an embedded server cannot start
        from taxi_assets.stores.postgres.store import PostgresStore

        return PostgresStore(self.postgres.dsn, self.schema_name, key_column)


def known(resource: object, field: str) -> object:
    """The field of a connection resource; of one that is configured at launch, the resource itself stands for it."""
    return getattr(resource, field, id(resource))


def _table_in(context: dg.InputContext | dg.OutputContext, store: TableStore) -> str:
    """The table that holds the asset.

    Raises:
        InvalidRequest: the asset's metadata names a table in another schema than the IO manager's.
    """
    schema, table = table_of(context.asset_key, definition_metadata(context))
    require_schema(context.asset_key, schema, tuple(store.table_name(table).split(".")[:-1]))
    return table
