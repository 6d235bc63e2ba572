"""Stores from typed places, for code that has settings and no Dagster resources.

A driver is imported when a store that needs it is opened. URLs and the environment are parsed in the settings.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from taxi_assets.settings import SCHEMA, Settings
from taxi_assets.settings.places import Bucket, DuckDB, Embedded, LakePlace, PostgresPlace, WarehousePlace
from taxi_assets.stores.base import TableStore
from taxi_assets.stores.scratch import scratch_folder

if TYPE_CHECKING:
    from taxi_assets.stores.lake import Lake
    from taxi_assets.stores.postgres.store import PostgresStore

LOAD_LOG = "load_audit"  # the audit table in each database

_READERS_LOCK_PATIENCE = 5  # seconds that a command waits for DuckDB's file, before it reports who holds it


@contextmanager
def opened_stores(settings: Settings, names: Iterable[str]) -> Iterator[Mapping[str, Callable[[], Any]]]:
    """Store (`lake`, `postgres` or `warehouse`) -> what opens it, for commands that look at what is loaded.

    To open one raises `StoreUnavailable` where it does not answer. What the stores fetch is removed at the end.
    """
    with scratch_folder(settings.scratch) as scratch:
        openers: Mapping[str, Callable[[], Any]] = {
            "lake": partial(open_lake, settings.lake, scratch),
            "postgres": partial(open_postgres, settings.postgres),
            "warehouse": partial(open_warehouse, settings.warehouse, lock_patience=_READERS_LOCK_PATIENCE),
        }
        yield {name: openers[name] for name in names}


def open_lake(place: LakePlace, scratch: Path, *, locks: Path | None = None) -> "Lake":
    """The lake in a folder or a bucket.

    Args:
        place: where it is.
        scratch: a folder for uploads to a bucket and downloads from it; its owner removes it.
        locks: a folder of locks by which runs of one month on this machine queue for a bucket; None: the slower fails.
    """
    if isinstance(place, Bucket):
        from taxi_assets.stores.lake.gcs.client import open_client
        from taxi_assets.stores.lake.gcs.store import GCSLake

        return GCSLake(open_client, place.name, place.prefix, scratch, turns=locks)
    from taxi_assets.stores.lake.folder.store import LocalLake

    return LocalLake(place.path)


def dsn_of(place: PostgresPlace) -> str:
    """The `postgresql://` URL of the server, which is started first where it is an embedded one.

    Raises:
        StoreUnavailable: the embedded server does not start; the text has the reason.
        StoreError: it cannot be created there.
    """
    if isinstance(place, Embedded):
        from taxi_assets.stores.postgres.embedded import embedded_url

        return embedded_url(place.folder)
    return place.dsn.get_secret_value()


def open_postgres(place: PostgresPlace, *, schema: str = SCHEMA) -> "PostgresStore":
    """The store on the server; an embedded one is started now, and again by any connection that finds it stopped.

    Raises:
        StoreUnavailable: the embedded server does not start; the text has the reason.
        StoreError: it cannot be created there.
    """
    from taxi_assets.stores.postgres.store import PostgresStore

    dsn = dsn_of(place)
    return PostgresStore(partial(dsn_of, place) if isinstance(place, Embedded) else dsn, schema)


def open_warehouse(place: WarehousePlace, *, schema: str = SCHEMA, lock_patience: float = 300) -> TableStore:
    """The warehouse in a DuckDB file or a BigQuery dataset; makes no connection.

    Args:
        place: where it is.
        schema: the schema in a DuckDB file; a dataset has none.
        lock_patience: seconds to wait for another program that has the DuckDB file open.
    """
    if isinstance(place, DuckDB):
        from taxi_assets.stores.duckdb.store import DuckDBStore

        return DuckDBStore(place.path, schema, lock_patience=lock_patience)
    from taxi_assets.stores.bigquery.client import open_client
    from taxi_assets.stores.bigquery.store import BigQueryStore

    return BigQueryStore(
        partial(open_client, place.project, place.location),
        place.project,
        place.dataset,
        location=place.location,
        require_partition_filter=place.require_partition_filter,
    )
