"""From Dagster's partitions to those of the stores, and the split of an output that holds several."""

from collections.abc import Mapping

import dagster as dg
import pyarrow as pa

from taxi_assets.errors import SchemaMismatch
from taxi_assets.stores.arrow import stands_for
from taxi_assets.stores.partition import Named, Partition, Window
from taxi_assets.stores.rows import Rows

#: What a store is given for each partition key of an output.
Parts = Mapping[str, Rows]


def partition_of(definition: dg.PartitionsDefinition, key: str) -> Partition:
    """The store's partition for a partition key: a window of time, or a name.

    Raises:
        SchemaMismatch: the partitions have several dimensions, which no store can replace atomically by name.
    """
    if isinstance(definition, dg.TimeWindowPartitionsDefinition):
        window = definition.time_window_for_partition_key(key)
        return Window.between(window.start, window.end)
    if isinstance(definition, dg.MultiPartitionsDefinition):
        raise SchemaMismatch(
            "multi-dimensional partitions cannot be stored: give the asset one dimension, and keep the other as a "
            "column of its rows"
        )
    return Named(key)


def output_partitions(context: dg.OutputContext) -> dict[str, Partition] | None:
    """Partition key -> partition of an output; None for a whole table."""
    if not context.has_asset_partitions:
        return None
    return {key: partition_of(context.asset_partitions_def, key) for key in context.asset_partition_keys}


def input_partitions(context: dg.InputContext) -> list[Partition] | None:
    """The partitions of an input; None for a whole table."""
    if not context.has_asset_partitions:
        return None
    return [partition_of(context.asset_partitions_def, key) for key in context.asset_partition_keys]


def split_by_key(rows: Rows, column: str, partitions: Mapping[str, Partition]) -> Parts:
    """The rows of each partition, by the key column.

    Args:
        rows: of all partitions.
        column: the key column; it holds each row's key in the key's type: a window's start, or a name.
        partitions: partition key -> partition.

    Raises:
        SchemaMismatch: the rows lack the column, or a row is of another partition.
    """
    import pyarrow.compute as pc  # 0.06 s, which loading the definitions does not wait for

    if column not in rows.schema.names:
        raise SchemaMismatch(
            f"an output of {len(partitions)} partitions needs the column {column} with each row's partition, or must "
            "be a mapping: partition key -> rows"
        )
    table = rows.to_table()
    values = table[column].combine_chunks()
    held: dict[str, pa.Array] = {}
    for value in pc.unique(values):
        key = next((key for key, one in partitions.items() if stands_for(value.as_py(), one.key)), None)
        if key is None:
            raise SchemaMismatch(
                f"{column} holds {value.as_py()!s}, which is none of this run's partitions {', '.join(partitions)}"
            )
        matching = pc.equal(values, value)
        held[key] = pc.or_(held[key], matching) if key in held else matching
    return {key: Rows.from_table(table.filter(held[key]) if key in held else table.slice(0, 0)) for key in partitions}
