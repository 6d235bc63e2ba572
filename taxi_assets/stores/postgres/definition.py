"""Create a Postgres table, or extend it to the columns of the rows that come; one process at a time per table."""

import pyarrow as pa

from taxi_assets.errors import SchemaMismatch
from taxi_assets.stores import load_log
from taxi_assets.stores.arrow import description, type_names
from taxi_assets.stores.base import other_partitioning
from taxi_assets.stores.postgres.connection import take_advisory_lock, transaction, when_unlocked
from taxi_assets.stores.postgres.tables import TYPE_NAMES, Partitioning, Table, TableColumn


def ensure_table(
    table: Table, schema: pa.Schema, types: dict[str, str], partitioning: Partitioning | None, lock_patience: float
) -> None:
    """Create the table, or add the columns that it lacks; comments are updated to those of the newest rows.

    Args:
        table: on a connection without an open transaction.
        schema: of the rows.
        types: column name -> Postgres' type.
        partitioning: of the table; None for one whole table.
        lock_patience: seconds to retry while others use the table.

    Raises:
        SchemaMismatch: a column has another type, or the table is partitioned the other way.
        StoreUnavailable: the table stayed locked.
    """
    with transaction(table.connection, writes=True):
        _define(table, schema, types, partitioning, lock_patience)


def ensure_audit_table(table: Table, lock_patience: float) -> None:
    """Create the audit table, append-only from then on."""
    with transaction(table.connection, writes=True):
        _define(table, load_log.SCHEMA, type_names(load_log.SCHEMA, TYPE_NAMES, "Postgres"), None, lock_patience)
        if not table.is_append_only():
            take_advisory_lock(table.connection, _definition_of(table.schema))
            table.make_append_only()


def lock_definition(table: Table) -> None:
    """Keep other loads from changing the table's columns until the end of the transaction."""
    take_advisory_lock(table.connection, _definition_of(f"{table.schema}.{table.name}"))


def _define(
    table: Table, schema: pa.Schema, types: dict[str, str], partitioning: Partitioning | None, lock_patience: float
) -> None:
    lock_definition(table)
    if not table.exists():
        take_advisory_lock(table.connection, _definition_of(table.schema))  # two concurrent IF NOT EXISTS fail
        table.create(schema, types, partitioning)
    elif table.partitioning() != partitioning:
        raise _other_partitioning(table, table.partitioning(), partitioning)
    existing = {column.name: column for column in table.columns()}
    _require_same_types(table, types, existing, partitioning)
    added = [(name, kind) for name, kind in types.items() if name not in existing]
    if added:
        when_unlocked(table.connection, lock_patience, *table.added_columns(added))
    for field in schema:
        text = description(field)
        column = existing.get(field.name)
        if text is not None and (column is None or column.comment != text):
            table.comment(field.name, text)


def _other_partitioning(table: Table, holds: object, wanted: object) -> SchemaMismatch:
    name = f"{table.schema}.{table.name}"
    return other_partitioning(name, f"drop it (DROP TABLE {name})", holds=holds, wanted=wanted)


def _definition_of(name: str) -> str:
    return f"{name} definition"


def _require_same_types(
    table: Table, types: dict[str, str], existing: dict[str, TableColumn], partitioning: Partitioning | None
) -> None:
    key = None if partitioning is None else existing.get(partitioning.column)
    if key is not None and key.type != types[key.name]:
        raise _other_partitioning(table, f"{partitioning} ({key.type})", f"{partitioning} ({types[key.name]})")
    different = [
        f"{name} is {existing[name].type} in the table and {kind} in the rows"
        for name, kind in types.items()
        if name in existing and existing[name].type != kind
    ]
    if different:
        raise SchemaMismatch(f"{table.schema}.{table.name}: {'; '.join(different)}")
