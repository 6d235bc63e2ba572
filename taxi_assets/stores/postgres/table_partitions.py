"""Partitions of a Postgres table: the new table of a month, and its exchange for the present partition."""

from datetime import date

from psycopg import sql

from taxi_assets.month import Month
from taxi_assets.stores.postgres.tables import Table
from taxi_assets.stores.postgres.user_objects import ONE_MONTH, Copied, copied


def partition_of(table: Table, month: Month) -> Table:
    """The table that holds the month, whether it exists or not."""
    return table.sibling(f"{table.name}_{month.year:04d}_{month.number:02d}")


def incoming_of(table: Table, month: Month) -> Table:
    """The table that the month is loaded into before it becomes the partition."""
    return table.sibling(f"{partition_of(table, month).name}_new")


def create_incoming(table: Table, month_column: str, month: Month) -> Copied:
    """Create the incoming table of the month, and return the definition that it was copied from.

    That is the present partition's, or else the table's. The CHECK on the month lets Postgres attach the new table
    without a scan.
    """
    fresh, old = incoming_of(table, month), partition_of(table, month)
    like = copied(
        table.connection,
        (table.schema, old.name if old.exists() else table.name),
        (table.schema, table.name),
        fresh.identifier,
    )
    one_month = sql.SQL("CONSTRAINT {} CHECK ({} = {})").format(
        sql.Identifier(ONE_MONTH), sql.Identifier(month_column), sql.Literal(month.first_day)
    )
    parts = sql.SQL(", ").join([*like.columns.values(), *like.checks.values(), one_month])
    table.connection.execute(sql.SQL("CREATE TABLE {} ({})").format(fresh.identifier, parts))
    for statement in like.before:
        table.connection.execute(statement)
    return like


def exchange(table: Table, month: Month) -> list[sql.Composed]:
    """The statements that attach the incoming table in place of the month's partition, if there is one."""
    fresh, partition = incoming_of(table, month), partition_of(table, month)
    removed = [
        sql.SQL("ALTER TABLE {} DETACH PARTITION {}").format(table.identifier, partition.identifier),
        sql.SQL("DROP TABLE {}").format(partition.identifier),
    ]
    return [
        *_missing_definitions(fresh, table),
        *(removed if partition.exists() else []),
        sql.SQL("ALTER TABLE {} RENAME TO {}").format(fresh.identifier, sql.Identifier(partition.name)),
        sql.SQL("ALTER TABLE {} ATTACH PARTITION {} FOR VALUES FROM ({}) TO ({})").format(
            table.identifier, partition.identifier, _bound(month.first_day), _bound(month.plus(1).first_day)
        ),
    ]


def _missing_definitions(fresh: Table, table: Table) -> list[sql.Composed]:
    """The statements that add to the new table the columns and checks that the table got during the load."""
    own, wanted = (
        copied(table.connection, (table.schema, one.name), (table.schema, table.name), fresh.identifier)
        for one in (fresh, table)
    )
    return [
        *(
            sql.SQL("ALTER TABLE {} ADD COLUMN {}").format(fresh.identifier, definition)
            for name, definition in wanted.columns.items()
            if name not in own.columns
        ),
        *(
            sql.SQL("ALTER TABLE {} ADD {}").format(fresh.identifier, definition)
            for name, definition in wanted.checks.items()
            if name not in own.checks
        ),
    ]


def _bound(day: date) -> sql.Literal:
    return sql.Literal(day.isoformat())
