"""Tables in BigQuery: names, columns, partitioning, descriptions and labels, from an Arrow schema."""

import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

import pyarrow as pa
from google.cloud.bigquery import SchemaField, Table, TableReference, TimePartitioning

from taxi_assets.errors import SchemaMismatch
from taxi_assets.month import Month
from taxi_assets.stores.arrow import description, require_distinct
from taxi_assets.stores.base import other_partitioning
from taxi_assets.stores.bigquery.column_types import TYPES
from taxi_assets.stores.digest import Dialect
from taxi_assets.stores.partition import Key, Kind, Partition, kind_of

DIALECT = Dialect(
    quoted=lambda name: f"`{name}`",
    double="FLOAT64",
    bigint="INT64",
    seconds=lambda time: f"(DATETIME_DIFF({time}, DATETIME '1970-01-01', MICROSECOND) / 1e6)",
    days=lambda date: f"DATE_DIFF({date}, DATE '1970-01-01', DAY)",
    text=lambda text: f"CAST(CONCAT('0x', SUBSTR(TO_HEX(MD5({text})), 1, 8)) AS INT64)",
)
_LEGACY_NAMES = {"BOOLEAN": "BOOL", "INTEGER": "INT64", "FLOAT": "FLOAT64"}  # in the answers of the service
_TABLE_NAME = re.compile(r"[\w\- ]{1,1024}")
# The names that a load of Parquet accepts: https://cloud.google.com/bigquery/docs/schemas#column_names
_COLUMN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,299}")
# Prefixes that it refuses: the same page.
_RESERVED = ("_table_", "_file_", "_partition", "_row_timestamp", "__root__", "_colidentifier")


def require_names(table: str, columns: Iterable[str]) -> None:
    """Refuse names that BigQuery does not accept.

    Raises:
        SchemaMismatch: the text names them.
    """
    names = list(columns)
    wrong = [] if _TABLE_NAME.fullmatch(table) else [table]
    wrong += [name for name in names if not _COLUMN_NAME.fullmatch(name) or name.lower().startswith(_RESERVED)]
    if wrong:
        raise SchemaMismatch(f"BigQuery does not take the names {', '.join(map(repr, wrong))}")
    require_distinct(names, "BigQuery")


class Partitioning(NamedTuple):
    """How a table is partitioned: MONTH, DAY or HOUR, and the key column."""

    type: str
    column: str

    @classmethod
    def of(cls, column: str, partition: Partition) -> "Partitioning":
        """What the partition needs. A window of several days is the native partition of its first day.

        Raises:
            SchemaMismatch: BigQuery has no native partition for it, which a load job could replace.
        """
        kind = kind_of(partition)
        if kind is Kind.NAME:
            raise SchemaMismatch(
                f"BigQuery has no partition for the name {partition}: it has partitions of time only, and without one "
                "a load is not atomic. Leave the asset without partitions there, or keep it in Postgres or DuckDB"
            )
        if kind is Kind.TIME and not all(
            bound is None or _is_whole_hour(bound) for bound in (partition.key, partition.end)
        ):
            raise SchemaMismatch(
                f"BigQuery has no partition for the window that begins at {partition}: its smallest are whole hours. "
                "Use hourly windows, or keep the asset in Postgres or DuckDB"
            )
        return cls({Kind.MONTH: "MONTH", Kind.DATE: "DAY", Kind.TIME: "HOUR"}[kind], column)

    def __str__(self) -> str:
        return f"partitions by {self.type} of {self.column}"


def new_table(
    reference: TableReference, schema: pa.Schema, partitioning: Partitioning | None, *, require_partition_filter: bool
) -> Table:
    """A table for rows of the schema; partitioned where that is given."""
    table = Table(reference, [_column(field) for field in schema])
    table.description = description(schema)
    table.labels = _labels(schema)
    if partitioning is not None:
        table.time_partitioning = TimePartitioning(*partitioning)
        table.require_partition_filter = require_partition_filter
    clustering = _hint(schema, b"cluster_by")
    if clustering is not None:
        table.clustering_fields = clustering.split(",")
    return table


def require_same_partitioning(table: Table, wanted: Partitioning | None) -> None:
    """Refuse a table that is partitioned in another way.

    Raises:
        SchemaMismatch: it is.
    """
    present = table.time_partitioning
    found = None if present is None else Partitioning(present.type_, present.field)
    if found != wanted:
        name = f"{table.project}.{table.dataset_id}.{table.table_id}"
        raise other_partitioning(name, f"drop it (DROP TABLE `{name}`)", holds=found, wanted=wanted)


def adapt(table: Table, schema: pa.Schema, wanted: Partitioning | None, *, require_partition_filter: bool) -> list[str]:
    """Extend the table to rows of the schema, and return the names of the properties that changed."""
    before = (list(table.schema), table.description, dict(table.labels), bool(table.require_partition_filter))
    table.schema = _merged(table, schema)
    table.description = description(schema) or table.description
    table.labels = {**table.labels, **_labels(schema)}
    if wanted is not None:
        table.require_partition_filter = require_partition_filter
    after = (list(table.schema), table.description, dict(table.labels), bool(table.require_partition_filter))
    names = ("schema", "description", "labels", "require_partition_filter")
    return [name for name, old, new in zip(names, before, after, strict=True) if old != new]


def arrow_schema(table: Table) -> pa.Schema:
    """The schema that the table's rows are read with.

    Raises:
        SchemaMismatch: a column, which another program added, has a type that cannot be read.
    """
    return pa.schema(
        [_field(column) for column in table.schema],
        None if table.description is None else {"description": table.description},
    )


def _is_whole_hour(bound: Key) -> bool:
    return isinstance(bound, datetime) and (bound.minute, bound.second, bound.microsecond) == (0, 0, 0)


def exceeds_native(partition: Partition) -> bool:
    """True: the window is longer than the native partition that holds it, so that others may begin within it."""
    key, end = partition.key, partition.end
    if isinstance(partition, Month) or isinstance(key, str) or end is None:
        return False
    return end - key > (timedelta(hours=1) if isinstance(key, datetime) else timedelta(days=1))


_DECORATORS = {Kind.MONTH: "%Y%m", Kind.DATE: "%Y%m%d", Kind.TIME: "%Y%m%d%H"}


def partition_of(table: str, partition: Partition | None) -> str:
    """The destination of a load job: the table, or the partition of it."""
    if partition is None or isinstance(partition.key, str):
        return table
    return f"{table}${partition.key.strftime(_DECORATORS[kind_of(partition)])}"


def key_of_decorator(name: str) -> Key:
    """The key of the partition with that id, `202401`, `20240105` or `2024010507`."""
    if len(name) == len("2024010507"):
        return datetime.strptime(name, "%Y%m%d%H").replace(tzinfo=UTC)
    return date(int(name[:4]), int(name[4:6]), int(name[6:] or 1))


def _merged(table: Table, schema: pa.Schema) -> list[SchemaField]:
    columns = {column.name: column for column in table.schema}
    require_distinct([*columns, *schema.names], "BigQuery")
    for field in schema:
        present = columns.get(field.name)
        if present is None:
            columns[field.name] = _column(field.with_nullable(True))  # older months have no value in it
        elif description(field) not in (None, present.description):
            columns[field.name] = SchemaField.from_api_repr(
                {**present.to_api_repr(), "description": description(field)}
            )
    return list(columns.values())


def _column(field: pa.Field) -> SchemaField:
    return SchemaField.from_api_repr(
        {
            "name": field.name,
            "type": TYPES.name_of(field.type),
            "mode": "NULLABLE" if field.nullable else "REQUIRED",
            "description": description(field),
        }
    )


def _field(column: SchemaField) -> pa.Field:
    kind = TYPES.type_of(_type_of(column))
    if kind is None or column.mode == "REPEATED":
        raise SchemaMismatch(f"column {column.name} has type {column.mode} {_type_of(column)}, which cannot be read")
    metadata = None if column.description is None else {"description": column.description}
    return pa.field(column.name, kind, column.mode != "REQUIRED", metadata)


def types_of(table: Table) -> dict[str, str]:
    """Column name -> BigQuery's type."""
    return {column.name: _type_of(column) for column in table.schema}


def _type_of(column: SchemaField) -> str:
    return _LEGACY_NAMES.get(column.field_type, column.field_type)


def _labels(schema: pa.Schema) -> Mapping[str, str]:
    labels = _hint(schema, b"labels")
    return {} if labels is None else json.loads(labels)


def _hint(schema: pa.Schema, key: bytes) -> str | None:
    value = (schema.metadata or {}).get(key)
    return None if value is None else value.decode()
