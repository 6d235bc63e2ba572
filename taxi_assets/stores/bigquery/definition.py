"""Create a BigQuery table, or extend it to the columns of the rows that come, also while others change it."""

from collections.abc import Callable

import pyarrow as pa
from google.api_core.exceptions import NotFound, PreconditionFailed
from google.cloud import bigquery

from taxi_assets.errors import InvalidRequest, SchemaMismatch
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


def typed(dataset: Dataset, name: str, rows: Rows) -> Rows:
    """The rows without the columns that have no type and that the table lacks; they are added once they have a type.

    BigQuery cannot change the type of a column without values. To drop it and add it again would not be atomic: another
    load could bring a value in between.
    """
    untyped = {field.name for field in rows.schema if pa.types.is_null(field.type)}
    if not untyped:
        return rows
    found = dataset.table(name)
    left_out = untyped - set(types_of(found) if found is not None else ())
    names = [column for column in rows.schema.names if column not in left_out]
    if not left_out or not names:
        return rows
    schema = pa.schema([rows.schema.field(column) for column in names], rows.schema.metadata)
    return Rows(schema, lambda: (batch.select(names) for batch in rows.batches()), confirm=rows.confirm)


def _change_types(dataset: Dataset, table: bigquery.Table, rows: Rows) -> None:
    """Widen columns, each by a statement of its own: between them, and before the load, the table has all its rows.

    Raises:
        SchemaMismatch: a column's type does not fit, also where it has no value.
    """
    name = dataset.quoted(table.table_id)

    def has_value(column: str) -> bool:
        query = f"SELECT count(`{column}`) FROM {selection(dataset, table, None, None)}"
        return bool(next(iter(dataset.query(query)))[0])

    held = types_of(table)
    require_distinct([*held, *rows.schema.names], "BigQuery")
    changes = changes_for(rows, held, TYPES, has_value, dataset.table_name(table.table_id))
    for column, kind in changes.retyped.items():
        raise SchemaMismatch(
            f"{column} is {held[column]} in the table and {kind} in the rows. It has no value in any row, and BigQuery "
            f"cannot change its type: drop it (ALTER TABLE {name} DROP COLUMN `{column}`), and materialize it again"
        )
    for column, kind in changes.widened.items():
        dataset.query(f"ALTER TABLE {name} ALTER COLUMN `{column}` SET DATA TYPE {kind}")


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
