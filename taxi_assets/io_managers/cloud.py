"""IO managers for Google Cloud: the lake in a bucket, and tables in BigQuery.

Imported only where a setting selects them, since Google's libraries are slow to import.
"""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import dagster_gcp
from pydantic import Field, PrivateAttr

from taxi_assets.io_managers.lake import BaseLakeIOManager
from taxi_assets.io_managers.tables import TableIOManager, known
from taxi_assets.settings import parse_lake
from taxi_assets.settings.places import Bucket
from taxi_assets.stores.base import TableStore
from taxi_assets.stores.partition import Partition
from taxi_assets.stores.scratch import scratch_folder

if TYPE_CHECKING:
    from taxi_assets.stores.lake.gcs.store import GCSLake


class GCSLakeIOManager(BaseLakeIOManager):
    """The lake IO manager for a bucket; see `LakeIOManager`."""

    gcs: dg.ResourceDependency[dagster_gcp.GCSResource]
    url: str = Field(description="gs://bucket/prefix; the bucket exists.")
    scratch: str | None = Field(
        default=None,
        description="Folder for files in transfer to and from the bucket; by default a private temporary folder.",
    )
    locks: str | None = Field(
        default=None,
        description="Folder for locks that serialize runs of the same partition on this machine; by default there are "
        "none, and a run whose inputs are replaced meanwhile fails.",
    )
    _run_scratch: Path | None = PrivateAttr(None)
    _private: Path | None = PrivateAttr(None)
    _removal: ExitStack | None = PrivateAttr(None)

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["GCSLakeIOManager"]:
        """Keep the run's downloads and its locks until the run ends."""
        with ExitStack() as stack:
            stack.callback(self._end_drafts)
            self._run_scratch = stack.enter_context(scratch_folder(self._scratch_root()))
            yield self

    def place(self) -> tuple[object, ...]:
        """The bucket, and the prefix."""
        return ("bucket", self.url.rstrip("/"))

    def store(self, key_column: str | None = None) -> "GCSLake":
        """The lake, for assets with that key column.

        Raises:
            InvalidRequest: the URL has another form.
        """
        from taxi_assets.errors import InvalidRequest
        from taxi_assets.stores.lake.gcs.store import GCSLake

        place = parse_lake(self.url)
        if not isinstance(place, Bucket):
            raise InvalidRequest(f"a lake in a bucket is at gs://bucket/prefix, not at {self.url!r}")
        locks = None if self.locks is None else Path(self.locks)
        scratch = self._run_scratch or self._scratch_outside_of_runs()
        return GCSLake(self.gcs.get_client, place.name, place.prefix, scratch, key_column, turns=locks)

    def _scratch_outside_of_runs(self) -> Path:
        if self._private is None:
            self._removal = ExitStack()  # ends with this object; after a kill, a later process removes the folder
            self._private = self._removal.enter_context(scratch_folder(self._scratch_root()))
        return self._private

    def _scratch_root(self) -> Path:
        return Path(self.scratch or tempfile.gettempdir())


class BigQueryIOManager(TableIOManager):
    """Keeps each asset in a BigQuery table, replaced a partition at a time, each by one load job.

    Windows need a native partition: whole hours, whole days or months. Names have none, and are refused.

    BigQuery loads rows that lie in GCS directly from there; other rows are uploaded as Parquet.
    """

    reserved_tables = frozenset({"loaded_empty_months", "loaded_empty_windows"})

    bigquery: dg.ResourceDependency[dagster_gcp.BigQueryResource]
    dataset: str = Field(description="BigQuery dataset that holds the tables; created if it is missing.")
    require_partition_filter: bool = Field(
        default=False, description="Whether queries must filter by partition, so that none scans the whole table."
    )

    def require_partition(self, partition: Partition) -> None:
        """Refuse what BigQuery has no native partition for: see `TableIOManager.require_partition`."""
        from taxi_assets.stores.bigquery.tables import Partitioning

        Partitioning.of("", partition)

    def place(self) -> tuple[object, ...]:
        """The project, and the dataset."""
        return ("bigquery", known(self.bigquery, "project"), self.dataset)

    def schema_path(self) -> tuple[str, ...]:
        """The project, where it is given, and the dataset."""
        project = getattr(self.bigquery, "project", None)
        return (self.dataset,) if project is None else (project, self.dataset)

    def require_names(self, table: str, columns: Sequence[str], partitions: Sequence[Partition]) -> None:
        """Refuse what BigQuery does not accept: see `TableIOManager.require_names`."""
        from taxi_assets.stores.bigquery.tables import require_names

        require_names(table, columns)

    def open_store(self, key_column: str | None = None) -> TableStore:
        """The tables in the dataset."""
        from taxi_assets.stores.bigquery.store import BigQueryStore

        return BigQueryStore(
            self._client,
            self.bigquery.project or self._client().project,
            self.dataset,
            key_column,
            location=self.bigquery.location,
            require_partition_filter=self.require_partition_filter,
        )

    def _client(self) -> Any:
        with self.bigquery.get_client() as client:
            return client
