"""Create a Postgres table, or extend it to the columns of the rows that come; one process at a time per table."""

import psycopg
from psycopg import sql

from taxi_assets.errors import SchemaMismatch
from taxi_assets.stores.arrow import description, type_names
from taxi_assets.stores.base import other_partitioning
from taxi_assets.stores.postgres.column_types import TYPES
from taxi_assets.stores.postgres.connection import take_advisory_lock, transaction, when_unlocked
from taxi_assets.stores.postgres.tables import Partitioning, Table, TableColumn
from taxi_assets.stores.rows import Rows
from taxi_assets.stores.type_changes import changes_for


def ensure_table(table: Table, rows: Rows, partitioning: Partitioning | None, lock_patience: float) -> None:
    """Create the table, or add the columns that it lacks, and widen those that are too narrow for the rows.

    All of it happens in one transaction, for all partitions. Comments are updated to those of the newest rows.

    Args:
        table: on a connection without an open transaction.
        rows: to be loaded.
        partitioning: of the table; None for one whole table.
        lock_patience: seconds to retry while others use the table.

    Raises:
        SchemaMismatch: a column's type does not fit, or the table is partitioned the other way.
        StoreUnavailable: the table stayed locked.
    """
    with transaction(table.connection, writes=True):
        _define(table, rows, partitioning, lock_patience)


def ensure_audit_table(table: Table, line: Rows, lock_patience: float) -> None:
    """Create the audit table for lines like this one, append-only from then on."""
    with transaction(table.connection, writes=True):
        _define(table, line, None, lock_patience)
        if not table.is_append_only():
            take_advisory_lock(table.connection, _definition_of(table.schema))
            table.make_append_only()


def lock_definition(table: Table) -> None:
    """Keep other loads from changing the table's columns until the end of the transaction."""
    take_advisory_lock(table.connection, _definition_of(f"{table.schema}.{table.name}"))


def _define(table: Table, rows: Rows, partitioning: Partitioning | None, lock_patience: float) -> None:
    types = type_names(rows.schema, TYPES)
    lock_definition(table)
    if not table.exists():
        take_advisory_lock(table.connection, _definition_of(table.schema))  # two concurrent IF NOT EXISTS fail
        table.create(rows.schema, types, partitioning)
    elif (parent := table.parent()) is not None:
        raise SchemaMismatch(
            f"{table.schema}.{table.name} is a partition of {table.schema}.{parent}, whose rows would be replaced: "
            "keep the rows in a table of another name"
        )
    elif table.partitioning() != partitioning:
        raise _other_partitioning(table, table.partitioning(), partitioning)
    existing = {column.name: column for column in table.columns()}
    _require_same_key(table, types, existing, partitioning)
    held = {name: column.type for name, column in existing.items()}
    changes = changes_for(rows, held, TYPES, table.has_value, f"{table.schema}.{table.name}")
    altered = [
        *table.added_columns((name, kind) for name, kind in types.items() if name not in existing),
        *table.altered_columns(changes.widened, keep=True),
        *table.altered_columns(changes.retyped, keep=False),
    ]
    if altered:
        _alter(table, altered, lock_patience)
    for field in rows.schema:
        text = description(field)
        column = existing.get(field.name)
        if text is not None and (column is None or column.comment != text):
            table.comment(field.name, text)


def _alter(table: Table, statements: list[sql.Composed], lock_patience: float) -> None:
    try:
        when_unlocked(table.connection, lock_patience, *statements)
    except psycopg.errors.FeatureNotSupported as error:  # a view or a rule selects a column that changes its type
        raise SchemaMismatch(
            f"{table.schema}.{table.name} cannot take the types of the rows: {error.diag.message_primary} "
            f"({error.diag.message_detail}). Drop that, materialize it again, and create it again"
        ) from error


def _other_partitioning(table: Table, holds: object, wanted: object) -> SchemaMismatch:
    name = f"{table.schema}.{table.name}"
    return other_partitioning(name, f"drop it (DROP TABLE {name})", holds=holds, wanted=wanted)


def _definition_of(name: str) -> str:
    return f"{name} definition"


def _require_same_key(
    table: Table, types: dict[str, str], existing: dict[str, TableColumn], partitioning: Partitioning | None
) -> None:
    key = None if partitioning is None else existing.get(partitioning.column)
    if key is not None and key.type != types[key.name]:
        raise _other_partitioning(table, f"{partitioning} ({key.type})", f"{partitioning} ({types[key.name]})")
