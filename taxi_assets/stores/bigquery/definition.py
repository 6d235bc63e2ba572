"""Create a BigQuery table, or extend it to the columns of the rows that come, also while others change it."""

from collections.abc import Callable

from google.api_core.exceptions import NotFound, PreconditionFailed
from google.cloud import bigquery

from taxi_assets.errors import InvalidRequest
from taxi_assets.stores.arrow import require_distinct
from taxi_assets.stores.bigquery.column_types import TYPES
from taxi_assets.stores.bigquery.connection import Dataset
from taxi_assets.stores.bigquery.reading import selection
from taxi_assets.stores.bigquery.tables import Partitioning, adapt, new_table, require_same_partitioning, types_of
from taxi_assets.stores.retries import retry_conflicts
from taxi_assets.stores.rows import Rows
from taxi_assets.stores.type_changes import changes_for


def ensure_table(
    dataset: Dataset, name: str, rows: Rows, partitioning: Partitioning | None, *, require_partition_filter: bool
) -> bigquery.Table:
    """The table with every column of the rows, wide enough; it and its dataset are created where they do not exist.

    Raises:
        SchemaMismatch: a column's type does not fit, or the table is partitioned the other way.
        InvalidRequest: the dataset is in another location.
    """
    schema = rows.schema

    def change(table: bigquery.Table) -> list[str]:
        return adapt(table, schema, partitioning, require_partition_filter=require_partition_filter)

    try:
        present = dataset.client.get_table(dataset.reference(name), **dataset.trying)
        require_same_partitioning(present, partitioning)
        _change_types(dataset, present, rows)
        table = _change(dataset, name, change)
    except NotFound:
        _ensure_dataset(dataset)
        created = new_table(
            dataset.reference(name), schema, partitioning, require_partition_filter=require_partition_filter
        )
        dataset.client.create_table(created, exists_ok=True, **dataset.trying)
        require_same_partitioning(dataset.client.get_table(dataset.reference(name), **dataset.trying), partitioning)
        table = _change(dataset, name, change)
    if dataset.location and table.location and table.location.lower() != dataset.location.lower():
        raise InvalidRequest(
            f"{dataset} is in {table.location}, not in {dataset.location}: "
            "a dataset cannot be moved; name its location, or another dataset"
        )
    return table


def _change_types(dataset: Dataset, table: bigquery.Table, rows: Rows) -> None:
    """Widen columns, and drop those without a value that are to have another type: they are added with it afterwards.

    Each is one statement of its own: between them, and before the load, the table has all its rows.
    """
    name = dataset.quoted(table.table_id)

    def has_value(column: str) -> bool:
        return bool(
            next(iter(dataset.query(f"SELECT count(`{column}`) FROM {selection(dataset, table, None, None)}")))[0]
        )

    require_distinct([*types_of(table), *rows.schema.names], "BigQuery")
    changes = changes_for(rows, types_of(table), TYPES, has_value, dataset.table_name(table.table_id))
    for column, kind in changes.widened.items():
        dataset.query(f"ALTER TABLE {name} ALTER COLUMN `{column}` SET DATA TYPE {kind}")
    for column in changes.retyped:
        dataset.query(f"ALTER TABLE {name} DROP COLUMN `{column}`")


def _ensure_dataset(dataset: Dataset) -> None:
    wanted = bigquery.Dataset(bigquery.DatasetReference(dataset.project, dataset.name))
    if dataset.location is not None:
        wanted.location = dataset.location
    dataset.client.create_dataset(wanted, exists_ok=True, **dataset.trying)


def _change(dataset: Dataset, name: str, change: Callable[[bigquery.Table], list[str]]) -> bigquery.Table:
    """Apply the change to the table as it is now, and again where another client changed it in between."""

    def attempt() -> bigquery.Table:
        table = dataset.client.get_table(dataset.reference(name), **dataset.trying)
        changed = change(table)
        return dataset.client.update_table(table, changed, **dataset.trying) if changed else table

    return retry_conflicts(
        attempt, f"{dataset.table_name(name)} is changed by others again and again", on=PreconditionFailed
    )
