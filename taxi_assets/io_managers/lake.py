"""The lake IO manager: Parquet by month, and files as they are."""

import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field, PrivateAttr

from taxi_assets.errors import InvalidRequest
from taxi_assets.io_managers.common import (
    from_rows,
    load_slice,
    month_of,
    named_failures,
    output_month,
    stop_if_given_up,
    store_slice,
)
from taxi_assets.io_managers.inputs import confirm_inputs, step_of
from taxi_assets.io_managers.metadata import file_metadata, raw_metadata
from taxi_assets.month import Month
from taxi_assets.raw_file import RawFile, sha256_of
from taxi_assets.settings.urls import bucket_and_prefix, local_path
from taxi_assets.stores.base import Stored, TableSlice
from taxi_assets.stores.rows import Rows, schema_of_parquet
from taxi_assets.stores.scratch import scratch_folder

if TYPE_CHECKING:
    from taxi_assets.stores.lake import Draft, Lake

FILE_NAME = "taxi/file_name"
PUBLISHED_WITH = "taxi/published_with"


class LakeIOManager(dg.ConfigurableIOManager):
    """Keeps each asset in a folder named after its key: `clean/green_trips/month=2024-01/…parquet`.

    An asset that returns a `RawFile`, or the `Path` of a file that it made, keeps the file's bytes and its name
    instead; its definition metadata `taxi/file_name` tells the name, in which `{month}` stands for the partition.

    Assets that make sense together only become current together: those whose definition metadata
    `taxi/published_with` names the last of them, as `clean/green_trips`, do when that one, which names itself, is
    stored. Until then nobody sees them but their own run, and the run that is made in its place. Runs that make them
    for the same month on one machine do so one after the other.
    """

    url: str = Field(description="Folder of the lake, or gs://bucket/prefix.")
    scratch: str | None = Field(
        default=None,
        description="Folder for files on their way to and from a bucket; where it is not set, a private one.",
    )
    locks: str | None = Field(
        default=None,
        description="Folder for locks, by which runs on this machine make what belongs together in a bucket one after "
        "the other; where it is not set, the one that is overtaken fails.",
    )
    month_column: str = Field(
        default="source_month",
        description="Column that, where rows have it, holds their month's first day: see the IO managers of tables.",
    )
    _run_scratch: Path | None = PrivateAttr(None)
    _private: tempfile.TemporaryDirectory[str] | None = PrivateAttr(None)
    _drafts: dict[tuple[TableSlice, str], "Draft"] = PrivateAttr(default_factory=dict)

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["LakeIOManager"]:
        """Keep what a run brings from a bucket, and its turn to make what belongs together, until the run ends."""
        with ExitStack() as stack:
            stack.callback(self._end_drafts)
            if self._is_bucket:
                root = Path(self.scratch or tempfile.gettempdir())
                self._run_scratch = stack.enter_context(scratch_folder(root))
            yield self

    def store(self) -> "Lake":
        """The store itself, for checks and for whoever wants more than whole assets."""
        if self._is_bucket:
            place = bucket_and_prefix(self.url)
            if place is None:
                raise InvalidRequest(f"a lake in a bucket is gs://bucket/prefix, without @, ? and #, not {self.url!r}")
            from taxi_assets.stores.lake.gcs.client import open_client
            from taxi_assets.stores.lake.gcs.store import GCSLake

            turns = None if self.locks is None else Path(self.locks)
            scratch = self._run_scratch or self._scratch_outside_of_runs()
            return GCSLake(open_client, *place, scratch, self.month_column, turns=turns)
        from taxi_assets.stores.lake.folder.store import LocalLake

        return LocalLake(local_path("the lake's url, where it is not gs://bucket/prefix,", self.url), self.month_column)

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Replace the asset's slice, or its file, with the output, now or together with what it belongs to."""
        path, store = _path(context), self.store()
        with named_failures():
            draft = self._draft(context, output_month(context))
        is_last = draft is not None and (context.definition_metadata or {})[PUBLISHED_WITH] == path
        if isinstance(obj, RawFile | Path):
            stop_if_given_up(context)
            started = time.monotonic()
            uri = store.file_uri(path, obj.name if isinstance(obj, Path) else obj.path.name)
            file = RawFile(obj, uri, obj.stat().st_size, sha256_of(obj), None) if isinstance(obj, Path) else obj
            with named_failures():
                confirm_inputs(context)
                stored = (draft or store).put_file(path, file)
                if draft is not None and is_last:
                    draft.publish()
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
                    draft.publish()
                return stored

            piece = store_slice(context, replace, path, obj)
            context.add_output_metadata({"dagster/uri": dg.MetadataValue.url(store.uri(piece))})

    @property
    def _is_bucket(self) -> bool:
        return self.url.startswith("gs://")

    def load_input(self, context: dg.InputContext) -> Any:
        """The asset's rows in the type that the input is annotated with, or its file for a `RawFile` or a `Path`."""
        known = _definition_metadata(context)
        file_name = known.get(FILE_NAME)
        path, store = _path(context), self.store()
        with named_failures():
            draft = None if known.get(PUBLISHED_WITH) == path else self._draft(context, _only_month(context))
        if file_name is None:
            return load_slice(context, store, path, draft.read if draft else store.read)
        if context.has_asset_partitions:
            file_name = file_name.format(month=month_of(context.asset_partitions_def, context.asset_partition_key))
        with named_failures():
            raw = (draft or store).get_file(path, file_name)
        wanted = context.dagster_type.typing_type
        if wanted is Path:
            return raw.path
        is_table = raw.path.suffix == ".parquet"
        return from_rows(Rows.from_parquet([raw.path]), wanted) if is_table and wanted is not RawFile else raw

    def _draft(self, context: dg.InputContext | dg.OutputContext, month: Month | None) -> "Draft | None":
        """What the asset becomes current with, where it says so, in this run; begins when it is the run's turn."""
        last = _definition_metadata(context).get(PUBLISHED_WITH)
        step = step_of(context)
        if last is None or step is None or (month is None and context.has_asset_partitions):
            return None
        key = step.dagster_run.root_run_id or step.dagster_run.run_id
        piece = TableSlice(last, month)
        if (piece, key) not in self._drafts:
            self._drafts[piece, key] = self.store().draft(piece, key, context.log.info)
        return self._drafts[piece, key]

    def _end_drafts(self) -> None:
        while self._drafts:
            self._drafts.popitem()[1].end()

    def _scratch_outside_of_runs(self) -> Path:
        if self.scratch is not None:
            return Path(self.scratch)
        if self._private is None:
            self._private = tempfile.TemporaryDirectory(prefix="taxi-lake-")
        return Path(self._private.name)


def _definition_metadata(context: dg.InputContext | dg.OutputContext) -> Mapping[str, Any]:
    """What the definition of the asset that is written or read says, and not that of who reads it."""
    if isinstance(context, dg.InputContext):
        return (context.upstream_output.definition_metadata if context.upstream_output else None) or {}
    return context.definition_metadata or {}


def _only_month(context: dg.InputContext) -> Month | None:
    if not context.has_asset_partitions or len(context.asset_partition_keys) != 1:
        return None
    return month_of(context.asset_partitions_def, context.asset_partition_key)


def _path(context: dg.InputContext | dg.OutputContext) -> str:
    return "/".join(context.asset_key.path)
