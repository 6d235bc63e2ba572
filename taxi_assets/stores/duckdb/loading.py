"""Rows into a DuckDB table: one transaction replaces the slice and appends to the audit table."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import duckdb

from taxi_assets.stores import load_log
from taxi_assets.stores.arrow import other_key
from taxi_assets.stores.base import TableSlice
from taxi_assets.stores.duckdb.sql import in_files, quoted, streamed
from taxi_assets.stores.duckdb.tables import Table, in_partitions, number
from taxi_assets.stores.partition import Partition, key_column
from taxi_assets.stores.rows import Rows

_INCOMING = "incoming_rows"


@contextmanager
def transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """One transaction: committed at the end, rolled back on any exception."""
    connection.begin()
    try:
        yield
    except BaseException:
        connection.rollback()
        raise
    connection.commit()


def replace_rows(table: Table, column: str | None, partition: Partition | None, rows: Rows) -> int:
    """Delete the slice, insert the rows by name, and return their number; inside the caller's transaction.

    Raises:
        SchemaMismatch: a row is of another partition.
    """
    partitions = None if partition is None else [partition]
    where, bound = in_partitions(column, partitions)
    table.connection.execute(f"DELETE FROM {table.identifier}{where}", bound)
    inserted = _insert(table, rows)
    count = table.count(column, partitions)
    if partition is not None and count != inserted:
        name = key_column(column, partition)
        raise other_key(name, partition, _other_value(table, rows, name, partition))
    if partition is not None:
        table.record(partition)
    return count


def append_audit_line(audit_table: Table, piece: TableSlice, count: int, entry: load_log.Entry) -> None:
    """Record the load in the audit table, inside the caller's transaction."""
    audit_table.ensure(entry.line(piece, count, entry.started_at))  # its types are those of the one that is written
    finished_at = load_log.now_after(_newest_line(audit_table, piece))
    _insert(audit_table, entry.line(piece, count, finished_at))


def _insert(table: Table, rows: Rows) -> int:
    insert = f"INSERT INTO {table.identifier} BY NAME FROM"
    files = in_files(rows)
    if files:
        return number(table.connection.execute(f"{insert} {files}"))
    with streamed(table.connection, _INCOMING, rows):
        return number(table.connection.execute(f"{insert} {_INCOMING}"))


def _other_value(table: Table, rows: Rows, column: str, partition: Partition) -> object:
    """The key column's value in one of the rows that are not of the partition; the rows lie in files."""
    query = f"SELECT {quoted(column)} FROM {in_files(rows)} WHERE {quoted(column)} IS DISTINCT FROM ? LIMIT 1"
    [(value,)] = table.connection.execute(query, [partition.key]).fetchall()
    return value


def _newest_line(audit_table: Table, piece: TableSlice) -> datetime | None:
    """When the slice's newest load finished; None where there is none."""
    # In microseconds: to return a time with a zone, DuckDB needs pytz.
    query = (
        f"SELECT epoch_us(max(finished_at)) FROM {audit_table.identifier} "
        "WHERE table_name = ? AND source_month IS NOT DISTINCT FROM ?"
    )
    month = load_log.month_of(piece)
    [(microseconds,)] = audit_table.connection.execute(query, [piece.table, month]).fetchall()
    return None if microseconds is None else datetime.fromtimestamp(0, tz=UTC) + timedelta(microseconds=microseconds)
