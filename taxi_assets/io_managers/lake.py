"""The lake IO manager: Parquet by month, and files as they are."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field, PrivateAttr

from taxi_assets.io_managers.slices import (
    from_rows,
    load_slice,
    month_of,
    named_failures,
    stop_if_given_up,
    store_slice,
)
from taxi_assets.metadata import file_metadata, raw_metadata
from taxi_assets.raw_file import RawFile, sha256_of
from taxi_assets.scratch import scratch_folder
from taxi_assets.stores.rows import Rows, schema_of_parquet

if TYPE_CHECKING:
    from taxi_assets.stores.lake import Lake

FILE_NAME = "taxi/file_name"


class LakeIOManager(dg.ConfigurableIOManager):
    """Keeps each asset in a folder named after its key: `clean/green_trips/month=2024-01/green_trips.parquet`.

    An asset that returns a `RawFile`, or the `Path` of a file that it made, keeps the file's bytes and its name
    instead; its definition metadata `taxi/file_name` tells the name, in which `{month}` stands for the partition.
    """

    url: str = Field(description="Folder of the lake, or gs://bucket/prefix.")
    scratch: str | None = Field(
        default=None,
        description="Folder for files on their way to and from a bucket; where it is not set, the system's.",
    )
    _run_scratch: Path | None = PrivateAttr(None)

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["LakeIOManager"]:
        """Keep what a run brings from a bucket until the run ends."""
        if not self._is_bucket:
            yield self
            return
        with scratch_folder(Path(self.scratch) if self.scratch else Path(tempfile.gettempdir()) / "lake") as folder:
            self._run_scratch = folder
            yield self

    def store(self) -> "Lake":
        """The store itself, for checks and for whoever wants more than whole assets."""
        if self._is_bucket:
            from taxi_assets.stores.lake.gcs import GCSLake

            return GCSLake(self.url, self._run_scratch or Path(self.scratch or tempfile.gettempdir()))
        from taxi_assets.stores.lake import LocalLake

        return LocalLake(Path(self.url))

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Replace the asset's slice, or its file, with the output."""
        path, store = _path(context), self.store()
        if isinstance(obj, RawFile | Path):
            stop_if_given_up(context)
            started = time.monotonic()
            uri = store.file_uri(path, obj.name if isinstance(obj, Path) else obj.path.name)
            file = RawFile(obj, uri, obj.stat().st_size, sha256_of(obj), None) if isinstance(obj, Path) else obj
            with named_failures():
                stored = store.put_file(path, file)
            seconds = time.monotonic() - started
            if isinstance(obj, Path):
                context.add_output_metadata(file_metadata(file, uri, seconds))
            else:
                schema = schema_of_parquet(stored.path) if stored.path.suffix == ".parquet" else None
                context.add_output_metadata(raw_metadata(stored, uri, seconds, schema))
        else:
            piece = store_slice(context, store.replace, path, obj)
            context.add_output_metadata({"dagster/uri": dg.MetadataValue.url(store.uri(piece))})

    @property
    def _is_bucket(self) -> bool:
        return self.url.startswith("gs://")

    def load_input(self, context: dg.InputContext) -> Any:
        """The asset's rows in the type that the input is annotated with, or its file for a `RawFile` or a `Path`."""
        upstream = context.upstream_output
        file_name = (upstream.definition_metadata if upstream else {}).get(FILE_NAME)
        if file_name is None:
            return load_slice(context, self.store(), _path(context))
        if context.has_asset_partitions:
            file_name = file_name.format(month=month_of(context.asset_partitions_def, context.asset_partition_key))
        with named_failures():
            raw = self.store().get_file(_path(context), file_name)
        wanted = context.dagster_type.typing_type
        if wanted is Path:
            return raw.path
        is_table = raw.path.suffix == ".parquet"
        return from_rows(Rows.from_parquet([raw.path]), wanted) if is_table and wanted is not RawFile else raw


def _path(context: dg.InputContext | dg.OutputContext) -> str:
    return "/".join(context.asset_key.path)
