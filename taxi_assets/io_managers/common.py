"""Shared code of the IO managers: from a Dagster context to a slice, one store call, and metadata back.

`frames` has the types of outputs and inputs, `partitions` their partitions: one, several, or all. An output without
partitions is a whole table. Reading and writing are the work of `stores`.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import dagster as dg
import pyarrow as pa

from taxi_assets.errors import SchemaMismatch, SourceUnavailable, TaxiError
from taxi_assets.io_managers.frames import as_rows, from_rows
from taxi_assets.io_managers.inputs import record_input, require_current_inputs
from taxi_assets.io_managers.metadata import COLUMN_SCHEMA, PREVIEW_ROWS, slice_metadata
from taxi_assets.io_managers.partitions import Parts, input_partitions, output_partitions, split_by_key
from taxi_assets.io_managers.table_names import PARTITION_EXPR, text_in
from taxi_assets.stores.arrow import description
from taxi_assets.stores.base import Store, Stored, TableSlice
from taxi_assets.stores.partition import Partition
from taxi_assets.stores.partition import key_column as key_column_of
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


def definition_metadata(context: dg.InputContext | dg.OutputContext) -> Mapping[str, Any]:
    """The definition metadata of the asset that is written or read; for an input, that of the upstream asset."""
    if isinstance(context, dg.InputContext):
        return (context.upstream_output.definition_metadata if context.upstream_output else None) or {}
    return context.definition_metadata or {}


def key_column_of_asset(context: dg.InputContext | dg.OutputContext, default: str | None) -> str | None:
    """The key column that the asset's definition metadata names, else the default."""
    return text_in(definition_metadata(context), PARTITION_EXPR) or default


@dataclass(frozen=True)
class Destination:
    """Where an output goes.

    Attributes:
        table: the table in the store.
        replace: replaces one slice of it.
        place_of: a slice -> metadata that name its place.
        key_column: the key column's name; by default that of the partitions' kind.
    """

    table: str
    replace: Callable[[TableSlice, Rows], Stored]
    place_of: Callable[[TableSlice], Mapping[str, Any]]
    key_column: str | None = None


def store_output(context: dg.OutputContext, value: object, to: Destination) -> None:
    """Replace the slices of the output, one after another, and add their metadata to the materializations.

    Each partition is replaced atomically. Where one fails, those before it stay and are recorded as materialized.

    Args:
        context: of the output.
        value: rows; of several partitions with the key column, or as a mapping: partition key -> rows.
        to: where they go.
    """
    interrupt_if_run_ended(context)
    with map_errors_to_failures():
        partitions = output_partitions(context)
        if partitions is None or (len(partitions) == 1 and not isinstance(value, Mapping)):
            piece = TableSlice(to.table, None if partitions is None else next(iter(partitions.values())))
            context.add_output_metadata(_replace_one(context, to, piece, as_rows(value)))
            return
        parts = _parts_of(value, to.key_column, partitions)
    stored: dict[str, Mapping[str, Any]] = {}
    try:
        for key, rows in parts.items():
            with map_errors_to_failures():
                stored[key] = _replace_one(context, to, TableSlice(to.table, partitions[key]), rows)
    except BaseException:
        for key, metadata in stored.items():
            context.log_event(dg.AssetMaterialization(context.asset_key, partition=key, metadata=metadata))
        raise
    for key, metadata in stored.items():
        context.step_context.add_asset_metadata(metadata, context.asset_key, key)


def _parts_of(value: object, key_column: str | None, partitions: Mapping[str, Partition]) -> Parts:
    if not isinstance(value, Mapping):
        first = next(iter(partitions.values()))
        return split_by_key(as_rows(value), key_column_of(key_column, first), partitions)
    if set(value) != set(partitions):
        raise SchemaMismatch(
            f"the output has the partitions {', '.join(map(str, value)) or 'none'}, and this run materializes "
            f"{', '.join(partitions)}: return rows for each of them, and for no other"
        )
    return {key: as_rows(value[key]) for key in partitions}


def _replace_one(context: dg.OutputContext, to: Destination, piece: TableSlice, rows: Rows) -> Mapping[str, Any]:
    """Replace the slice, and return the materialization's metadata."""
    started = time.monotonic()
    described = _described(rows, context).confirmed_by(
        partial(interrupt_if_run_ended, context), partial(require_current_inputs, context)
    )
    seen = _Preview(described)
    stored = to.replace(piece, seen.rows)
    preview = seen.first_rows()
    pa.default_memory_pool().release_unused()  # some 60 MB, which Google's libraries allocate next
    seconds = time.monotonic() - started
    asset = context.asset_key.to_user_string()
    of = "" if piece.partition is None else f" {piece.partition}"
    context.log.info(f"{asset}{of}: {stored.rows:,} rows in {seconds:.1f} s")
    return {**slice_metadata(stored, described.provenance, preview, seconds), **to.place_of(piece)}


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
    read: Callable[[str, Sequence[Partition] | None], Rows] | None = None,
) -> Any:
    """The rows of the input's partitions, or of the whole table.

    Args:
        context: of the input.
        store: the store.
        table: the table in it.
        read: replaces `store.read`.
    """
    with map_errors_to_failures():
        rows = (read or store.read)(table, present_partitions(context, store, table))
        record_input(context, rows)
        return from_rows(rows, context.dagster_type.typing_type)


def present_partitions(context: dg.InputContext, store: Store, table: str) -> list[Partition] | None:
    """The input's partitions, without missing ones if it allows that; None for a whole table."""
    partitions = input_partitions(context)
    if partitions is None or not (context.definition_metadata or {}).get("allow_missing_partitions"):
        return partitions
    present = set(store.keys(table))
    return [partition for partition in partitions if partition.key in present]


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
