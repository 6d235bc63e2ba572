"""What the three IO managers share: from a Dagster context to a slice, one store call, and metadata back.

An IO manager takes `pandas.DataFrame`, `pyarrow.Table` and `Rows`, and loads what the input's annotation asks for
(a DataFrame where it asks for nothing): one partition, several, or all. Partitions are months; an output that is not
partitioned is one whole table.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import dagster as dg
import pyarrow as pa

from taxi_assets.errors import SourceUnavailable, TaxiError
from taxi_assets.io_managers.inputs import record_input, require_current_inputs
from taxi_assets.io_managers.metadata import COLUMN_SCHEMA, PREVIEW_ROWS, slice_metadata
from taxi_assets.month import Month
from taxi_assets.stores.arrow import description
from taxi_assets.stores.base import Store, Stored, TableSlice
from taxi_assets.stores.rows import Rows

RETRIES = 2
_RUN_ENDED = {dg.DagsterEventType.RUN_FAILURE, dg.DagsterEventType.RUN_CANCELING, dg.DagsterEventType.RUN_CANCELED}
SECONDS_BETWEEN_RETRIES = 10  # a store has tried again by itself, with growing pauses, before it gives up


class Retry(dg.RetryRequested):
    """Asks Dagster to try the step again, and says why: in a notebook, where no run is, the text is all there is."""

    def __init__(self, description: str) -> None:
        super().__init__(RETRIES, SECONDS_BETWEEN_RETRIES)
        self._description = description

    def __str__(self) -> str:
        return self._description


@contextmanager
def map_errors_to_failures() -> Iterator[None]:
    """Turn our errors into what Dagster makes of them: a retry where that can help, else a `Failure`.

    Ops have no retry policy of Dagster's: it would try programming errors and interrupts again as well.

    Raises:
        Retry: a retryable error; when it was tried often enough, the step fails with the error's text.
        Failure: any other error of ours.
    """
    try:
        yield
    except TaxiError as error:
        description = f"{type(error).__name__}: {error}"
        failure = dg.Failure(description=description, allow_retries=False)
        if not error.retryable or isinstance(error, SourceUnavailable):  # a source has been patient by itself
            raise failure from error
        failure.__cause__ = error
        raise Retry(description) from failure


def interrupt_if_run_ended(context: dg.OutputContext) -> None:
    """Write nothing for a run that is recorded as failed or canceled, as another may load the same month by now.

    A run on a busy machine can be given up because it took long to start, and still begin. Its events say so, where its
    status may not: to begin sets that again.

    Raises:
        DagsterExecutionInterruptedError: the run was given up; Dagster then does not record it as failed once more.
    """
    try:
        instance, run_id = context.step_context.instance, context.run_id
    except dg.DagsterInvariantViolationError:  # outside of a run
        return
    ends = instance.get_records_for_run(run_id, of_type=_RUN_ENDED, limit=1).records
    if ends:
        message = ends[0].event_log_entry.message or "without a reason"
        raise dg.DagsterExecutionInterruptedError(
            f"this run was given up or canceled, so that it stores nothing more. It was recorded so: {message}"
        )


def as_rows(value: object) -> Rows:
    """The output of an asset as rows.

    Raises:
        TypeError: it is none of the types that have rows.
    """
    if isinstance(value, Rows):
        return value
    if isinstance(value, pa.Table):
        return Rows.from_table(value)
    if _type_name(type(value)) == "pandas.DataFrame":
        return Rows.from_pandas(value)
    raise TypeError(f"cannot store a {type(value).__name__}: return a pandas.DataFrame, a pyarrow.Table or Rows")


def from_rows(rows: Rows, wanted: object) -> Any:
    """The rows as the type that an input is annotated with; a DataFrame where it has no annotation.

    Raises:
        TypeError: the annotation is none of the types that rows can become.
    """
    if wanted is Rows:
        return rows
    if wanted is pa.Table:
        return rows.to_table()
    if wanted in (None, Any, type(None)) or _type_name(wanted) == "pandas.DataFrame":
        return rows.to_pandas()
    raise TypeError(f"cannot load rows as {wanted}: annotate the input as pandas.DataFrame, pyarrow.Table or Rows")


def definition_metadata(context: dg.InputContext | dg.OutputContext) -> Mapping[str, Any]:
    """The definition metadata of the asset that is written or read, and not that of the reader."""
    if isinstance(context, dg.InputContext):
        return (context.upstream_output.definition_metadata if context.upstream_output else None) or {}
    return context.definition_metadata or {}


def store_slice(
    context: dg.OutputContext, replace: Callable[[TableSlice, Rows], Stored], table: str, value: object
) -> TableSlice:
    """Replace the slice that the output stands for, tell Dagster what happened, and return the slice."""
    interrupt_if_run_ended(context)
    piece = TableSlice(table, output_month(context))
    started = time.monotonic()
    with map_errors_to_failures():
        rows = _described(as_rows(value), context).confirmed_by(partial(require_current_inputs, context))
        seen = _Preview(rows)
        stored = replace(piece, seen.rows)
        preview = seen.first_rows()
    pa.default_memory_pool().release_unused()  # some 60 MB, which Google's libraries need next
    seconds = time.monotonic() - started
    asset = context.asset_key.to_user_string()
    context.log.info(f"{asset} {piece.month or ''}: {stored.rows:,} rows in {seconds:.1f} s".replace(" :", ":"))
    context.add_output_metadata(slice_metadata(stored, rows.provenance, preview, seconds))
    return piece


def _described(rows: Rows, context: dg.OutputContext) -> Rows:
    """The rows with what the asset's definition says of columns that tell nothing themselves, as a DataFrame's."""
    known = (context.definition_metadata or {}).get(COLUMN_SCHEMA)
    table: dg.TableSchema | None = known.schema if isinstance(known, dg.TableSchemaMetadataValue) else known
    texts = {column.name: column.description for column in table.columns if column.description} if table else {}
    fields = [
        field.with_metadata({**(field.metadata or {}), "description": texts[field.name]})
        if field.name in texts and description(field) is None
        else field
        for field in rows.schema
    ]
    return rows.with_schema(pa.schema(fields, rows.schema.metadata))


def load_slice(
    context: dg.InputContext,
    store: Store,
    table: str,
    read: Callable[[str, Sequence[Month] | None], Rows] | None = None,
) -> Any:
    """The rows that the input asks for: its partition, its partitions, or the whole table.

    Args:
        context: of the input.
        store: the store.
        table: the table in it.
        read: reads the rows in the store's place.
    """
    with map_errors_to_failures():
        rows = (read or store.read)(table, months_of_input(context, store, table))
        record_input(context, rows)
        return from_rows(rows, context.dagster_type.typing_type)


def month_of(partitions: dg.PartitionsDefinition, key: str) -> Month:
    """The month that a partition key stands for.

    Raises:
        TypeError: the partitions are not months.
    """
    if not isinstance(partitions, dg.TimeWindowPartitionsDefinition):
        raise TypeError(f"partitions must be months, and {key!r} is not one")
    window = partitions.time_window_for_partition_key(key)
    month = Month.of(window.start)
    if (window.start.day, Month.of(window.end)) != (1, month.plus(1)):
        raise TypeError(f"partitions must be months, and {key!r} is not one")
    return month


def output_month(context: dg.OutputContext) -> Month | None:
    """The month that the output is of; None for a whole table."""
    if not context.has_asset_partitions:
        return None
    keys = list(context.asset_partition_keys)
    if len(keys) != 1:
        raise TypeError(f"{len(keys)} partitions in one output: run one partition at a time")
    return month_of(context.asset_partitions_def, keys[0])


def months_of_input(context: dg.InputContext, store: Store, table: str) -> list[Month] | None:
    """The months that the input asks for, less missing ones where it allows that; None for a whole table."""
    if not context.has_asset_partitions:
        return None
    months = [month_of(context.asset_partitions_def, key) for key in context.asset_partition_keys]
    if (context.definition_metadata or {}).get("allow_missing_partitions"):
        present = set(store.months(table))
        return [month for month in months if month in present]
    return months


class _Preview:
    """The first rows of a stream, kept as they pass by, so that nothing is computed twice for them."""

    def __init__(self, rows: Rows) -> None:
        self._first: pa.RecordBatch | None = None
        self._passed_by = False
        self._rows = rows
        self.rows = rows.watched(self._watched)

    def first_rows(self) -> list[dict[str, Any]]:
        first = self._first if self._passed_by else self._rows.head(PREVIEW_ROWS)
        return [] if first is None else first.to_pylist()

    def _watched(self) -> Iterator[pa.RecordBatch]:
        self._passed_by = True
        for batch in self._rows.batches():
            if self._first is None:
                self._first = batch.slice(0, PREVIEW_ROWS)
            yield batch


def _type_name(kind: object) -> str:
    # By name, since importing pandas takes longer than loading all definitions.
    module = getattr(kind, "__module__", "")
    return f"{module.partition('.')[0]}.{getattr(kind, '__name__', '')}"
