"""Record batches of a synthetic month, in its era's column names and physical types."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from taxi_assets.catalog import Field
from taxi_assets.sample.columns import plausible_columns
from taxi_assets.sample.defect_plan import Plan
from taxi_assets.sample.defects import Columns, DefectRows, apply_defect, uncastable_value
from taxi_assets.sample.legacy_codes import to_physical_values
from taxi_assets.sample.trips import Integers, Trips

BATCH_ROWS = 131_072


def month_schema(plan: Plan) -> pa.Schema:
    """The Arrow schema of the month's file."""
    return pa.schema([(one.source, one.physical) for one in plan.fields])


def month_batches(plan: Plan) -> Iterator[pa.RecordBatch]:
    """The month's rows in batches of 131,072, so that the memory does not grow with the month."""
    for start in range(0, plan.rows, BATCH_ROWS):
        yield _batch(plan, np.arange(start, min(start + BATCH_ROWS, plan.rows)))


def _batch(plan: Plan, positions: Integers) -> pa.RecordBatch:
    broken = {rule: _within(positions, rows) for rule, rows in plan.defect_rows.items()}
    numbers = positions.copy()
    for rule, repeated in plan.repeated_rows.items():
        numbers[broken[rule].rows] = [repeated[ordinal] for ordinal in broken[rule].ordinals]
    trips = Trips(plan.dataset, plan.month, plan.rows, numbers)
    columns = plausible_columns(trips)
    for rule, among in broken.items():
        apply_defect(rule, trips, columns, among)
    arrays = [_array(trips, columns, one, positions) for one in plan.fields]
    _add_uncastable_values(plan, arrays, broken["unreadable_value"])
    return pa.RecordBatch.from_arrays(arrays, schema=month_schema(plan))


def _within(positions: Integers, rows: Sequence[int]) -> DefectRows:
    first, end = bisect_left(rows, positions[0]), bisect_left(rows, positions[-1] + 1)
    return DefectRows(np.array(rows[first:end], dtype=np.int64) - positions[0], np.arange(first, end))


def _array(trips: Trips, columns: Columns, field: Field, positions: Integers) -> pa.Array:
    if pa.types.is_null(field.physical):
        return pa.nulls(len(positions))
    if field.column is None:  # a pandas index numbers the rows, duplicates included
        return pa.array(positions).cast(field.physical)
    values = to_physical_values(trips, trips.dataset.column(field.column), field.physical, columns[field.column])
    return pa.array(values, from_pandas=True).cast(field.physical)


def _add_uncastable_values(plan: Plan, arrays: list[pa.Array], broken: DefectRows) -> None:
    """Replace values of the defect rows by ones that cannot be cast, cycling through the columns that can hold one."""
    # From the last column, since a small month has fewer such rows than columns, and the first column, the vendor, is
    # the least interesting case.
    variants = [
        (index, value)
        for index, field in reversed(list(enumerate(plan.fields)))
        if field.column and (value := uncastable_value(plan.dataset.column(field.column), field.physical)) is not None
    ]
    for variant, (index, value) in enumerate(variants):
        array = arrays[index]
        chosen = np.zeros(len(array), dtype=bool)
        chosen[broken.rows[broken.ordinals % len(variants) == variant]] = True
        arrays[index] = pc.if_else(pa.array(chosen), pa.scalar(value, array.type), array)
