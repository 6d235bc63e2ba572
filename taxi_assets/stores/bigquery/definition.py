"""Create a BigQuery table, or extend it to the columns of the rows that come, also while others change it."""

from collections.abc import Callable

import pyarrow as pa
from google.api_core.exceptions import NotFound, PreconditionFailed
from google.cloud import bigquery

from taxi_assets.errors import InvalidRequest
from taxi_assets.stores.bigquery.connection import Dataset
from taxi_assets.stores.bigquery.tables import Partitioning, adapt, new_table
from taxi_assets.stores.retries import retry_conflicts


def ensure_table(
    dataset: Dataset, name: str, schema: pa.Schema, partitioning: Partitioning | None, *, require_partition_filter: bool
) -> bigquery.Table:
    """The table with every column of the schema; it and its dataset are created where they do not exist.

    Raises:
        SchemaMismatch: a column has another type, or the table is partitioned the other way.
        InvalidRequest: the dataset is in another location.
    """

    def change(table: bigquery.Table) -> list[str]:
        return adapt(table, schema, partitioning, require_partition_filter=require_partition_filter)

    try:
        table = _change(dataset, name, change)
    except NotFound:
        _ensure_dataset(dataset)
        created = new_table(
            dataset.reference(name), schema, partitioning, require_partition_filter=require_partition_filter
        )
        dataset.client.create_table(created, exists_ok=True, **dataset.trying)
        table = _change(dataset, name, change)
    if dataset.location and table.location and table.location.lower() != dataset.location.lower():
        raise InvalidRequest(
            f"{dataset} is in {table.location}, not in {dataset.location}: "
            "a dataset cannot be moved; name its location, or another dataset"
        )
    return table


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
