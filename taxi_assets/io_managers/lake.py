"""Lake IO manager: writes assets as Parquet files by partition, or stores files unchanged.

File layout and atomic writes are the work of `stores.lake`.
"""

import time
from abc import abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field, PrivateAttr

from taxi_assets.io_managers.common import (
    Destination,
    definition_metadata,
    interrupt_if_run_ended,
    key_column_of_asset,
    load_slice,
    map_errors_to_failures,
    store_output,
)
from taxi_assets.io_managers.frames import from_rows
from taxi_assets.io_managers.inputs import require_current_inputs, step_of
from taxi_assets.io_managers.metadata import file_metadata, raw_metadata
from taxi_assets.io_managers.partitions import input_partitions, output_partitions
from taxi_assets.raw_file import RawFile, sha256_of
from taxi_assets.settings.urls import local_path
from taxi_assets.stores.base import Stored, TableSlice
from taxi_assets.stores.partition import Partition
from taxi_assets.stores.rows import Rows, schema_of_parquet

if TYPE_CHECKING:
    from taxi_assets.stores.lake import Draft, Lake
    from taxi_assets.stores.lake.folder.store import LocalLake

FILE_NAME = "taxi/file_name"
PUBLISHED_WITH = "taxi/published_with"


class BaseLakeIOManager(dg.ConfigurableIOManager):
    """Base class of the lake IO managers; a subclass implements `store`."""

    key_column: str | None = Field(
        default=None,
        description="Column with the key of a row's partition, if rows have it; see the table IO managers.",
    )
    _drafts: dict[tuple[TableSlice, str], "Draft"] = PrivateAttr(default_factory=dict)

    def require_partition(self, partition: Partition) -> None:
        """Any partition has a folder: see `TableIOManager.require_partition`."""

    @abstractmethod
    def place(self) -> tuple[object, ...]:
        """Where the lake is, without a connection: IO managers of one place share its folders."""

    @abstractmethod
    def store(self, key_column: str | None = None) -> "Lake":
        """The lake, for assets with that key column."""

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Replace the asset's slice or file with the output: at once, or when the draft it belongs to is published."""
        column = key_column_of_asset(context, self.key_column)
        path, store = _path(context), self.store(column)
        fence = partial(interrupt_if_run_ended, context)
        with map_errors_to_failures():
            draft = self._draft(context, _only_one((output_partitions(context) or {}).values()))
        is_last = draft is not None and (context.definition_metadata or {})[PUBLISHED_WITH] == path
        if isinstance(obj, RawFile | Path):
            fence()
            started = time.monotonic()
            uri = store.file_uri(path, obj.name if isinstance(obj, Path) else obj.path.name)
            file = RawFile(obj, uri, obj.stat().st_size, sha256_of(obj), None) if isinstance(obj, Path) else obj
            with map_errors_to_failures():
                require_current_inputs(context)
                stored = draft.put_file(path, file) if draft else store.put_file(path, file, fence)
                if draft is not None and is_last:
                    draft.publish(fence)
            seconds = time.monotonic() - started
            if isinstance(obj, Path):
                context.add_output_metadata(file_metadata(file, uri, seconds))
            else:
                schema = schema_of_parquet(stored.path) if stored.path.suffix == ".parquet" else None
                context.add_output_metadata(raw_metadata(stored, uri, seconds, schema))
        else:

            def replace(piece: TableSlice, rows: Rows) -> Stored:
                stored = (draft or store).replace(piece, rows)
                if draft is not None and is_last:
                    draft.publish(fence)
                return stored

            def place_of(piece: TableSlice) -> dict[str, dg.MetadataValue]:
                return {"dagster/uri": dg.MetadataValue.url(store.uri(piece))}

            store_output(context, obj, Destination(path, replace, place_of, column))

    def load_input(self, context: dg.InputContext) -> Any:
        """The asset's rows in the input's annotated type, or its file for a `RawFile` or a `Path`."""
        known = definition_metadata(context)
        file_name = known.get(FILE_NAME)
        path, store = _path(context), self.store(key_column_of_asset(context, self.key_column))
        with map_errors_to_failures():
            draft = (
                None
                if known.get(PUBLISHED_WITH) == path
                else self._draft(context, _only_one(input_partitions(context)))
            )
        if file_name is None:
            return load_slice(context, store, path, draft.read if draft else store.read)
        if context.has_asset_partitions:
            file_name = file_name.format(month=context.asset_partition_key, partition=context.asset_partition_key)
        with map_errors_to_failures():
            raw = (draft or store).get_file(path, file_name)
        wanted = context.dagster_type.typing_type
        if wanted is Path:
            return raw.path
        is_table = raw.path.suffix == ".parquet"
        return from_rows(Rows.from_parquet([raw.path]), wanted) if is_table and wanted is not RawFile else raw

    def _draft(self, context: dg.InputContext | dg.OutputContext, partition: Partition | None) -> "Draft | None":
        """The run's draft that publishes the asset, if its metadata names one; waits for the lock on the partition."""
        last = definition_metadata(context).get(PUBLISHED_WITH)
        step = step_of(context)
        if last is None or step is None or (partition is None and context.has_asset_partitions):
            return None
        key = step.dagster_run.root_run_id or step.dagster_run.run_id
        piece = TableSlice(last, partition)
        if (piece, key) not in self._drafts:
            store = self.store(key_column_of_asset(context, self.key_column))
            self._drafts[piece, key] = store.draft(piece, key, context.log.info)
        return self._drafts[piece, key]

    def _end_drafts(self) -> None:
        while self._drafts:
            self._drafts.popitem()[1].end()


class LakeIOManager(BaseLakeIOManager):
    """Keeps each asset in a folder named after its key: `green/clean_trips/month=2024-01/…parquet`.

    For an asset that returns a `RawFile`, or the `Path` of a file, the file is stored unchanged under its name; the
    definition metadata `taxi/file_name` is the name, with `{month}` or `{partition}` for the partition key.

    Assets can be published together: their definition metadata `taxi/published_with` names the last of them, for
    example `green/clean_trips`, which names itself. All become visible when that one is stored. Before, only their own
    run and its re-executions see them. On one machine, runs of the same partition take turns by a lock.
    """

    folder: str = Field(description="Folder of the lake; created if it is missing.")

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["LakeIOManager"]:
        """Keep the run's locks until the run ends."""
        with ExitStack() as stack:
            stack.callback(self._end_drafts)
            yield self

    def place(self) -> tuple[object, ...]:
        """The folder."""
        is_known = not isinstance(self.folder, dg.EnvVar)
        return ("folder", local_path("the lake's folder", self.folder).absolute() if is_known else self.folder)

    def store(self, key_column: str | None = None) -> "LocalLake":
        """The lake, for assets with that key column.

        Raises:
            InvalidRequest: the folder is a URL.
        """
        from taxi_assets.stores.lake.folder.store import LocalLake

        return LocalLake(local_path("the lake's folder", self.folder), key_column)


def _only_one(partitions: Iterable[Partition] | None) -> Partition | None:
    """The partition, if it is the only one."""
    found = list(partitions or ())
    return found[0] if len(found) == 1 else None


def _path(context: dg.InputContext | dg.OutputContext) -> str:
    return "/".join(context.asset_key.path)
