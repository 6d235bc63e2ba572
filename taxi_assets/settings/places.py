"""Typed values for the places of stores and sources: one class for each form of a `TAXI_*` variable.

Parsing is in `settings`. Secrets are `SecretStr`: neither `repr` nor a traceback shows them.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias
from urllib.parse import quote, urlencode

from pydantic import SecretStr

from taxi_assets.settings.urls import without_login


@dataclass(frozen=True)
class Folder:
    """A folder on this machine's disk, usable wherever a path is."""

    path: Path

    def __fspath__(self) -> str:
        return str(self.path)

    def __str__(self) -> str:
        return str(self.path)


@dataclass(frozen=True)
class Bucket:
    """`gs://name/prefix`: objects in Google Cloud Storage; the prefix may be empty."""

    name: str
    prefix: str

    def __str__(self) -> str:
        return f"gs://{self.name}/{self.prefix}" if self.prefix else f"gs://{self.name}"


@dataclass(frozen=True)
class Embedded:
    """A PostgreSQL server that the package starts, with its data in the folder."""

    folder: Path


@dataclass(frozen=True)
class Server:
    """An existing PostgreSQL server, by its `postgresql://` URL."""

    dsn: SecretStr


@dataclass(frozen=True)
class DuckDB:
    """A DuckDB database file."""

    path: Path

    def __str__(self) -> str:
        return f"duckdb://{quote(str(self.path))}"


@dataclass(frozen=True)
class BigQuery:
    """A BigQuery dataset.

    Attributes:
        project: the Google Cloud project that holds the dataset and is billed.
        dataset: the dataset's name.
        location: where the dataset is or will be created, for example `US`; None is BigQuery's default.
        require_partition_filter: whether queries must select months.
    """

    project: str
    dataset: str
    location: str | None = None
    require_partition_filter: bool = False

    def __str__(self) -> str:
        chosen = {"location": self.location, "require_partition_filter": self.require_partition_filter and "true"}
        options = urlencode({name: value for name, value in chosen.items() if value})
        return f"bigquery://{self.project}/{self.dataset}{'?' if options else ''}{options}"


@dataclass(frozen=True)
class Sample:
    """The built-in source of synthetic files."""

    def __str__(self) -> str:
        return "sample"


@dataclass(frozen=True)
class Mirror:
    """A folder laid out like TLC's CDN (`trip-data/`, `misc/`)."""

    folder: Path

    def __str__(self) -> str:
        return str(self.folder)


@dataclass(frozen=True)
class Website:
    """TLC's CDN, or an HTTP server laid out like it; the URL may hold a password."""

    url: SecretStr

    def __str__(self) -> str:
        return without_login(self.url.get_secret_value())


@dataclass(frozen=True)
class Role:
    """A store's technology, as the UI shows it.

    Attributes:
        kind: Dagster's kind.
        schema: the schema, or BigQuery's dataset, that holds the tables; None for a store without tables.
    """

    kind: str
    schema: str | None = None


LakePlace: TypeAlias = Folder | Bucket
PostgresPlace: TypeAlias = Embedded | Server
WarehousePlace: TypeAlias = DuckDB | BigQuery
SourcePlace: TypeAlias = Sample | Mirror | Website
