"""Partitions of a Postgres table: the new table of a partition, and its exchange for the present one."""

from psycopg import sql

from taxi_assets.errors import SchemaMismatch
from taxi_assets.stores.partition import Key, Partition
from taxi_assets.stores.postgres.column_types import is_wider
from taxi_assets.stores.postgres.names import incoming_name, partition_name
from taxi_assets.stores.postgres.tables import Table
from taxi_assets.stores.postgres.user_objects import ONE_KEY, Copied, copied


def partition_of(table: Table, partition: Partition) -> Table:
    """The table that holds the partition, whether it exists or not."""
    return table.sibling(partition_name(table.name, partition))


def incoming_of(table: Table, partition: Partition) -> Table:
    """The table that the rows are loaded into before it becomes the partition."""
    return table.sibling(incoming_name(table.name, partition))


def create_incoming(table: Table, key_column: str, partition: Partition) -> Copied:
    """Create the incoming table of the partition, and return the definition that it was copied from.

    That is the present partition's, or else the table's. The CHECK on the key lets Postgres attach the new table
    without a scan.

    Raises:
        SchemaMismatch: a table that is no partition of this one has the partition's name.
    """
    fresh, old = incoming_of(table, partition), partition_of(table, partition)
    if old.exists() and old.parent() != table.name:
        raise SchemaMismatch(
            f"{table.schema}.{old.name} is no partition of {table.schema}.{table.name} and has the name of one: rename "
            "it, or keep the rows in a table of another name"
        )
    like = copied(
        table.connection,
        (table.schema, old.name if old.exists() else table.name),
        (table.schema, table.name),
        fresh.identifier,
    )
    one_key = sql.SQL("CONSTRAINT {} CHECK ({} = {})").format(
        sql.Identifier(ONE_KEY), sql.Identifier(key_column), _bound(partition.key)
    )
    parts = sql.SQL(", ").join([*like.columns.values(), *like.checks.values(), one_key])
    table.connection.execute(sql.SQL("CREATE TABLE {} ({})").format(fresh.identifier, parts))
    for statement in like.before:
        table.connection.execute(statement)
    return like


def exchange(table: Table, partition: Partition) -> list[sql.Composed]:
    """The statements that attach the incoming table in place of the present partition, if there is one."""
    fresh, present = incoming_of(table, partition), partition_of(table, partition)
    removed = [
        sql.SQL("ALTER TABLE {} DETACH PARTITION {}").format(table.identifier, present.identifier),
        sql.SQL("DROP TABLE {}").format(present.identifier),
    ]
    return [
        *_missing_definitions(fresh, table),
        *(removed if present.exists() else []),
        sql.SQL("ALTER TABLE {} RENAME TO {}").format(fresh.identifier, sql.Identifier(present.name)),
        sql.SQL("ALTER TABLE {} ATTACH PARTITION {} FOR VALUES {}").format(
            table.identifier, present.identifier, _values_of(partition)
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
        *_changed_types(fresh, table),
    ]


def _changed_types(fresh: Table, table: Table) -> list[sql.Composed]:
    """The statements that give columns of the new table the types that the table's took during the load.

    Raises:
        SchemaMismatch: the loaded values have no place in them.
    """
    wanted = {column.name: column.type for column in table.columns()}
    own = {column.name: column.type for column in fresh.columns()}
    other = {name: kind for name, kind in wanted.items() if own.get(name, kind) != kind}
    kept = {name: kind for name, kind in other.items() if is_wider(own[name], kind)}
    empty = {name: kind for name, kind in other.items() if name not in kept and not fresh.has_value(name)}
    lost = [f"{name} to {kind}" for name, kind in other.items() if name not in kept and name not in empty]
    if lost:
        raise SchemaMismatch(
            f"{table.schema}.{table.name}: another load has changed {', '.join(lost)} meanwhile, which does not hold "
            "the values of this one: have all partitions bring one type, and materialize it again"
        )
    return [*fresh.altered_columns(kept, keep=True), *fresh.altered_columns(empty, keep=False)]


def _values_of(partition: Partition) -> sql.Composed:
    if partition.end is None:
        return sql.SQL("IN ({})").format(_bound(partition.key))
    return sql.SQL("FROM ({}) TO ({})").format(_bound(partition.key), _bound(partition.end))


def _bound(key: Key) -> sql.Literal:
    return sql.Literal(key if isinstance(key, str) else key.isoformat())
