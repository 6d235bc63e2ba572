"""Shared code of the IO managers: from a Dagster context to a slice, one store call, and metadata back.

An output is a `pandas.DataFrame`, a `pyarrow.Table` or `Rows`; an input is loaded as its annotation says, by default
as a DataFrame: one partition, several, or all. Partitions are months; an unpartitioned output is a whole table.
Reading and writing are the work of `stores`.
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
SECONDS_BETWEEN_RETRIES = 10  # a store retries with backoff by itself before it raises


class Retry(dg.RetryRequested):
    """A `RetryRequested` with the error's text, which is all that a notebook shows outside of a run."""

    def __init__(self, description: str) -> None:
        super().__init__(RETRIES, SECONDS_BETWEEN_RETRIES)
        self._description = description

    def __str__(self) -> str:
        return self._description


@contextmanager
def map_errors_to_failures() -> Iterator[None]:
    """Raise each `TaxiError` as a `RetryRequested` if it is retryable, else as a `Failure`.

    Ops have no Dagster retry policy, which would retry programming errors and interrupts as well.

    Raises:
        Retry: a retryable error; after the last retry the step fails with the error's text.
        Failure: any other `TaxiError`.
    """
    try:
        yield
    except TaxiError as error:
        description = f"{type(error).__name__}: {error}"
        failure = dg.Failure(description=description, allow_retries=False)
        if not error.retryable or isinstance(error, SourceUnavailable):  # a source has retried with backoff by itself
            raise failure from error
        failure.__cause__ = error
        raise Retry(description) from failure


def interrupt_if_run_ended(context: dg.OutputContext) -> None:
    """Interrupt a run that is recorded as failed or canceled, since another run may load the same month by now.

    It is the fence of a run that was given up: on a machine that was cut off or stood still, or on a busy one, where
    run monitoring can record a run as failed while it starts. Each store asks before it begins, and again where no
    other run can publish the slice between this and its commit: its successor has published later, or is refused the
    lock, the generation or the transaction. Its events show that; its status does not, since the start resets it.

    Raises:
        DagsterExecutionInterruptedError: the run has ended; Dagster does not record a second failure for this error.
    """
    try:
        instance, run_id = context.step_context.instance, context.run_id
    except dg.DagsterInvariantViolationError:  # outside of a run
        return
    ends = instance.get_records_for_run(run_id, of_type=_RUN_ENDED, limit=1).records
    if ends:
        message = ends[0].event_log_entry.message or "without a reason"
        raise dg.DagsterExecutionInterruptedError(
            f"this run is recorded as failed or canceled, so it stores nothing more: {message}"
        )


def as_rows(value: object) -> Rows:
    """The output of an asset as rows.

    Raises:
        TypeError: the value has another type.
    """
    if isinstance(value, Rows):
        return value
    if isinstance(value, pa.Table):
        return Rows.from_table(value)
    if _type_name(type(value)) == "pandas.DataFrame":
        return Rows.from_pandas(value)
    raise TypeError(f"cannot store a {type(value).__name__}: return a pandas.DataFrame, a pyarrow.Table or Rows")


def from_rows(rows: Rows, wanted: object) -> Any:
    """The rows in the annotated type of an input, by default a DataFrame.

    Raises:
        TypeError: the annotation is another type.
    """
    if wanted is Rows:
        return rows
    if wanted is pa.Table:
        return rows.to_table()
    if wanted in (None, Any, type(None)) or _type_name(wanted) == "pandas.DataFrame":
        return rows.to_pandas()
    raise TypeError(f"cannot load rows as {wanted}: annotate the input as pandas.DataFrame, pyarrow.Table or Rows")


def definition_metadata(context: dg.InputContext | dg.OutputContext) -> Mapping[str, Any]:
    """The definition metadata of the asset that is written or read; for an input, that of the upstream asset."""
    if isinstance(context, dg.InputContext):
        return (context.upstream_output.definition_metadata if context.upstream_output else None) or {}
    return context.definition_metadata or {}


def store_slice(
    context: dg.OutputContext, replace: Callable[[TableSlice, Rows], Stored], table: str, value: object
) -> TableSlice:
    """Replace the output's slice, add the materialization's metadata, and return the slice."""
    interrupt_if_run_ended(context)
    piece = TableSlice(table, output_month(context))
    started = time.monotonic()
    with map_errors_to_failures():
        rows = _described(as_rows(value), context).confirmed_by(
            partial(interrupt_if_run_ended, context), partial(require_current_inputs, context)
        )
        seen = _Preview(rows)
        stored = replace(piece, seen.rows)
        preview = seen.first_rows()
    pa.default_memory_pool().release_unused()  # some 60 MB, which Google's libraries allocate next
    seconds = time.monotonic() - started
    asset = context.asset_key.to_user_string()
    context.log.info(f"{asset} {piece.month or ''}: {stored.rows:,} rows in {seconds:.1f} s".replace(" :", ":"))
    context.add_output_metadata(slice_metadata(stored, rows.provenance, preview, seconds))
    return piece


def _described(rows: Rows, context: dg.OutputContext) -> Rows:
    """The rows, with the asset's column descriptions on columns without a description, such as a DataFrame's."""
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
    """The rows of the input's partitions, or of the whole table.

    Args:
        context: of the input.
        store: the store.
        table: the table in it.
        read: replaces `store.read`.
    """
    with map_errors_to_failures():
        rows = (read or store.read)(table, months_of_input(context, store, table))
        record_input(context, rows)
        return from_rows(rows, context.dagster_type.typing_type)


def month_of(partitions: dg.PartitionsDefinition, key: str) -> Month:
    """The month of a partition key.

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
    """The output's month; None for a whole table."""
    if not context.has_asset_partitions:
        return None
    keys = list(context.asset_partition_keys)
    if len(keys) != 1:
        raise TypeError(f"{len(keys)} partitions in one output: run one partition at a time")
    return month_of(context.asset_partitions_def, keys[0])


def months_of_input(context: dg.InputContext, store: Store, table: str) -> list[Month] | None:
    """The input's months, without missing ones if it allows that; None for a whole table."""
    if not context.has_asset_partitions:
        return None
    months = [month_of(context.asset_partitions_def, key) for key in context.asset_partition_keys]
    if (context.definition_metadata or {}).get("allow_missing_partitions"):
        present = set(store.months(table))
        return [month for month in months if month in present]
    return months


class _Preview:
    """Keeps the first rows of a stream while a store consumes it, so that no row is computed twice."""

    def __init__(self, rows: Rows) -> None:
        self._first: pa.RecordBatch | None = None
        self._is_consumed = False
        self._rows = rows
        self.rows = rows.watched(self._watched)

    def first_rows(self) -> list[dict[str, Any]]:
        first = self._first if self._is_consumed else self._rows.head(PREVIEW_ROWS)
        return [] if first is None else first.to_pylist()

    def _watched(self) -> Iterator[pa.RecordBatch]:
        self._is_consumed = True
        for batch in self._rows.batches():
            if self._first is None:
                self._first = batch.slice(0, PREVIEW_ROWS)
            yield batch


def _type_name(kind: object) -> str:
    # By name, since importing pandas takes longer than loading all definitions.
    module = getattr(kind, "__module__", "")
    return f"{module.partition('.')[0]}.{getattr(kind, '__name__', '')}"
