"""From a setting to a store: plain values in, stores out; a store's driver is imported where its place asks for it."""

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

LOAD_LOG = "load_audit"


_PATIENCE_OF_READERS = 5  # seconds that a command waits for DuckDB's file, before it reports who holds it


@contextmanager
def opened_stores(settings: Settings, names: Iterable[str]) -> Iterator[Mapping[str, Callable[[], Any]]]:
    """Store (`lake`, `postgres` or `warehouse`) -> what opens it, for commands that look at what is loaded.

    To open one raises `StoreUnavailable` where it does not answer. What the stores fetch is gone at the end.
    """
    with scratch_folder(settings.scratch) as scratch:
        openers: Mapping[str, Callable[[], Any]] = {
            "lake": partial(open_lake, settings.lake, scratch),
            "postgres": partial(open_postgres, settings.postgres),
            "warehouse": partial(open_warehouse, settings.warehouse, lock_patience=_PATIENCE_OF_READERS),
        }
        yield {name: openers[name] for name in names}


def open_lake(
    place: LakePlace, scratch: Path, *, month_column: str = "source_month", locks: Path | None = None
) -> "Lake":
    """The lake at the place; `scratch` is a folder for files on their way to and from a bucket."""
    if isinstance(place, Bucket):
        from taxi_assets.stores.lake.gcs.client import open_client
        from taxi_assets.stores.lake.gcs.store import GCSLake

        return GCSLake(open_client, place.name, place.prefix, scratch, month_column, turns=locks)
    from taxi_assets.stores.lake.folder.store import LocalLake

    return LocalLake(place.path, month_column)


def dsn_of(place: PostgresPlace) -> str:
    """The server's URL, secrets included; an embedded server is started for it."""
    if isinstance(place, Embedded):
        from taxi_assets.stores.postgres.embedded import embedded_url

        return embedded_url(place.folder)
    return place.dsn.get_secret_value()


def open_postgres(place: PostgresPlace, *, schema: str = SCHEMA, month_column: str = "source_month") -> "PostgresStore":
    """The tables on the server."""
    from taxi_assets.stores.postgres.store import PostgresStore

    dsn = dsn_of(place)  # fails at once where an embedded server cannot be started
    return PostgresStore(partial(dsn_of, place) if isinstance(place, Embedded) else dsn, schema, month_column)


def open_warehouse(
    place: WarehousePlace, *, schema: str = SCHEMA, month_column: str = "source_month", lock_patience: float = 300
) -> TableStore:
    """The tables in the warehouse."""
    if isinstance(place, DuckDB):
        from taxi_assets.stores.duckdb.store import DuckDBStore

        return DuckDBStore(place.path, schema, month_column, lock_patience=lock_patience)
    from taxi_assets.stores.bigquery.client import open_client
    from taxi_assets.stores.bigquery.store import BigQueryStore

    return BigQueryStore(
        partial(open_client, place.project, place.location),
        place.project,
        place.dataset,
        month_column,
        location=place.location,
        require_partition_filter=place.require_partition_filter,
    )
