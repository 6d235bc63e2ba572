"""Tables in BigQuery: names, columns, partitioning, descriptions and labels, from an Arrow schema."""

import json
import re
from collections.abc import Iterable, Mapping

import pyarrow as pa
from google.cloud.bigquery import SchemaField, Table, TableReference, TimePartitioning

from taxi_assets.errors import SchemaMismatch
from taxi_assets.month import Month
from taxi_assets.stores.arrow import description, require_distinct
from taxi_assets.stores.base import other_partitioning
from taxi_assets.stores.digest import Dialect

TYPE_NAMES = {
    pa.bool_(): "BOOL",
    pa.int16(): "INT64",
    pa.int32(): "INT64",
    pa.int64(): "INT64",
    pa.float64(): "FLOAT64",
    pa.string(): "STRING",
    pa.binary(): "BYTES",
    pa.date32(): "DATE",
    pa.timestamp("us"): "DATETIME",
    pa.timestamp("us", "UTC"): "TIMESTAMP",
}
DIALECT = Dialect(
    quoted=lambda name: f"`{name}`",
    double="FLOAT64",
    bigint="INT64",
    seconds=lambda time: f"(DATETIME_DIFF({time}, DATETIME '1970-01-01', MICROSECOND) / 1e6)",
    days=lambda date: f"DATE_DIFF({date}, DATE '1970-01-01', DAY)",
    text=lambda text: f"CAST(CONCAT('0x', SUBSTR(TO_HEX(MD5({text})), 1, 8)) AS INT64)",
)
_ARROW_TYPES = {name: kind for kind, name in TYPE_NAMES.items()}
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


def new_table(
    reference: TableReference, schema: pa.Schema, month_column: str | None, *, require_partition_filter: bool
) -> Table:
    """A table for rows of the schema; partitioned by month where a month column is given."""
    table = Table(reference, [_column(field) for field in schema])
    table.description = description(schema)
    table.labels = _labels(schema)
    if month_column is not None:
        table.time_partitioning = TimePartitioning("MONTH", month_column)
        table.require_partition_filter = require_partition_filter
    clustering = _hint(schema, b"cluster_by")
    if clustering is not None:
        table.clustering_fields = clustering.split(",")
    return table


def adapt(table: Table, schema: pa.Schema, month_column: str | None, *, require_partition_filter: bool) -> list[str]:
    """Extend the table to rows of the schema, and return the names of the properties that changed.

    Raises:
        SchemaMismatch: a column has another type, or the table is partitioned the other way.
    """
    partitioning = table.time_partitioning
    found = None if partitioning is None else (partitioning.type_, partitioning.field)
    wanted = None if month_column is None else ("MONTH", month_column)
    if found != wanted and None in (found, wanted):
        name = f"{table.project}.{table.dataset_id}.{table.table_id}"
        raise other_partitioning(name, f"drop it (DROP TABLE `{name}`)", by_month=wanted is not None)
    if found != wanted:
        raise SchemaMismatch(f"{table.full_table_id} is partitioned by {found}, and the rows need {wanted}")
    before = (list(table.schema), table.description, dict(table.labels), bool(table.require_partition_filter))
    table.schema = _merged(table, schema)
    table.description = description(schema) or table.description
    table.labels = {**table.labels, **_labels(schema)}
    if month_column is not None:
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


def partition_of(table: str, month: Month | None) -> str:
    """The destination of a load job: the table, or the partition of the month."""
    return table if month is None else f"{table}${month.year:04d}{month.number:02d}"


def _merged(table: Table, schema: pa.Schema) -> list[SchemaField]:
    columns = {column.name: column for column in table.schema}
    require_distinct([*columns, *schema.names], "BigQuery")
    different = [
        f"{field.name} is {_type_of(columns[field.name])} in the table and {TYPE_NAMES[field.type]} in the rows"
        for field in schema
        if field.name in columns and _type_of(columns[field.name]) != TYPE_NAMES[field.type]
    ]
    if different:
        raise SchemaMismatch(f"{table.full_table_id}: {'; '.join(different)}")
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
            "type": TYPE_NAMES[field.type],
            "mode": "NULLABLE" if field.nullable else "REQUIRED",
            "description": description(field),
        }
    )


def _field(column: SchemaField) -> pa.Field:
    kind = _type_of(column)
    if kind not in _ARROW_TYPES or column.mode == "REPEATED":
        raise SchemaMismatch(f"column {column.name} has type {column.mode} {kind}, which cannot be read")
    metadata = None if column.description is None else {"description": column.description}
    return pa.field(column.name, _ARROW_TYPES[kind], column.mode != "REQUIRED", metadata)


def _type_of(column: SchemaField) -> str:
    return _LEGACY_NAMES.get(column.field_type, column.field_type)


def _labels(schema: pa.Schema) -> Mapping[str, str]:
    labels = _hint(schema, b"labels")
    return {} if labels is None else json.loads(labels)


def _hint(schema: pa.Schema, key: bytes) -> str | None:
    value = (schema.metadata or {}).get(key)
    return None if value is None else value.decode()
