"""The lake IO manager: Parquet by month, and files of the source untouched."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field

from taxi_assets.errors import InvalidRequest
from taxi_assets.io_managers.slices import from_rows, load_slice, month_of, named_failures, store_slice
from taxi_assets.metadata import raw_metadata
from taxi_assets.raw_file import RawFile
from taxi_assets.stores.rows import Rows

if TYPE_CHECKING:
    from taxi_assets.stores.lake import LocalLake

FILE_NAME = "taxi/file_name"


class LakeIOManager(dg.ConfigurableIOManager):
    """Keeps each asset in a folder named after its key: `clean/green_trips/month=2024-01/green_trips.parquet`.

    An asset that returns a `RawFile` keeps the file's bytes and its name instead; its definition metadata
    `taxi/file_name` tells the name, in which `{month}` stands for the partition.
    """

    url: str = Field(description="Folder of the lake, or gs://bucket/prefix.")

    def store(self) -> "LocalLake":
        """The store itself, for checks and for whoever wants more than whole assets."""
        from taxi_assets.stores.lake import LocalLake

        if self.url.startswith("gs://"):
            with named_failures():
                raise InvalidRequest("a lake in GCS is not built yet: unset TAXI_LAKE to keep it in a folder")
        return LocalLake(Path(self.url))

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Replace the asset's slice, or its file, with the output."""
        path = _path(context)
        if isinstance(obj, RawFile):
            started = time.monotonic()
            with named_failures():
                stored = self.store().put_file(path, obj)
            context.add_output_metadata(raw_metadata(stored, time.monotonic() - started))
        else:
            piece = store_slice(context, self.store(), path, obj)
            context.add_output_metadata({"dagster/uri": dg.MetadataValue.url(self.store().uri(piece))})

    def load_input(self, context: dg.InputContext) -> Any:
        """The asset's rows in the type that the input is annotated with, or its file for a `RawFile`."""
        upstream = context.upstream_output
        file_name = (upstream.definition_metadata if upstream else {}).get(FILE_NAME)
        if file_name is None:
            return load_slice(context, self.store(), _path(context))
        if context.has_asset_partitions:
            file_name = file_name.format(month=month_of(context.asset_partitions_def, context.asset_partition_key))
        with named_failures():
            raw = self.store().get_file(_path(context), file_name)
        wanted = context.dagster_type.typing_type
        is_table = raw.path.suffix == ".parquet"
        return from_rows(Rows.from_parquet([raw.path]), wanted) if is_table and wanted is not RawFile else raw


def _path(context: dg.InputContext | dg.OutputContext) -> str:
    return "/".join(context.asset_key.path)
