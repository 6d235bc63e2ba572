"""Where everything is, read from the environment and checked before anything runs.

One variable a role; the value's form picks the store. Nothing else in the package reads the environment.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit

from taxi_assets.errors import InvalidRequest
from taxi_assets.source import TLC_CDN, open_source

LAKE_FORMS = "gs://bucket/prefix, or a folder"
POSTGRES_FORMS = "postgresql://user:password@host:5432/database, or embedded"
WAREHOUSE_FORMS = (
    "bigquery://project/dataset?location=US&require_partition_filter=true, or duckdb:///absolute/path/to/file.duckdb"
)
ADDRESS_FORMS = "https://… or http://…"
EMBEDDED = "embedded"
_SECRETS = {"postgres": "TAXI_POSTGRES", "alert_webhook": "TAXI_ALERT_WEBHOOK"}
_BIGQUERY_OPTIONS = {"location", "require_partition_filter"}


@dataclass(frozen=True)
class Settings:
    """The place of each role, each in a form that its variable accepts.

    Attributes:
        home: folder for everything that has no place of its own.
        dagster_home: folder of the Dagster instance.
        source: as `TAXI_SOURCE`.
        lake: as `TAXI_LAKE`.
        postgres: as `TAXI_POSTGRES`.
        warehouse: as `TAXI_WAREHOUSE`.
        alert_webhook: as `TAXI_ALERT_WEBHOOK`; None where it is not set.
        ui: as `TAXI_UI_URL`: where the UI is, for links in alerts.
        secrets: fields whose value the environment holds, and the variable that does; the UI shows its name only.
    """

    home: Path
    dagster_home: Path
    source: str
    lake: str
    postgres: str
    warehouse: str
    alert_webhook: str | None
    ui: str
    secrets: Mapping[str, str]

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Settings":
        """The settings that the `TAXI_*` variables make; an empty variable counts as unset.

        Raises:
            InvalidRequest: a value has none of the accepted forms; the text lists them.
        """
        home = Path(environment.get("TAXI_HOME") or ".taxi").expanduser().absolute()
        settings = cls(
            home=home,
            dagster_home=Path(environment.get("DAGSTER_HOME") or home / "dagster"),
            source=environment.get("TAXI_SOURCE") or TLC_CDN,
            lake=environment.get("TAXI_LAKE") or str(home / "lake"),
            postgres=environment.get("TAXI_POSTGRES") or EMBEDDED,
            warehouse=environment.get("TAXI_WAREHOUSE") or f"duckdb://{quote(str(home / 'warehouse.duckdb'))}",
            alert_webhook=environment.get("TAXI_ALERT_WEBHOOK") or None,
            ui=environment.get("TAXI_UI_URL") or "http://127.0.0.1:3000",
            secrets={field: variable for field, variable in _SECRETS.items() if environment.get(variable)},
        )
        open_source(settings.source)
        _check_lake(settings.lake)
        _check_postgres(settings.postgres)
        _check_warehouse(settings.warehouse)
        _check_address("TAXI_ALERT_WEBHOOK", settings.alert_webhook)
        _check_address("TAXI_UI_URL", settings.ui)
        return settings

    @property
    def kinds(self) -> Mapping[str, str]:
        """Role -> the technology that plays it."""
        return {
            "lake": "gcs" if self.lake.startswith("gs://") else "file",
            "postgres": "postgres",
            "warehouse": urlsplit(self.warehouse).scheme,
        }

    @property
    def source_record(self) -> Path:
        """The file that says which kind of data the home holds."""
        return self.home / "source.json"

    @property
    def postgres_folder(self) -> Path:
        """The data of the embedded server."""
        return self.home / "postgres"

    @property
    def duckdb_path(self) -> Path:
        """The file of a `duckdb:///` warehouse; as in `file:///`, what follows is an absolute path."""
        return Path("/" + unquote(urlsplit(self.warehouse).path).lstrip("/"))


def _check_lake(value: str) -> None:
    url = _split("TAXI_LAKE", value, LAKE_FORMS)
    if url.scheme == "gs" and url.netloc:
        return
    if url.scheme or not value.strip():
        raise _wrong("TAXI_LAKE", LAKE_FORMS)


def _check_postgres(value: str) -> None:
    url = _split("TAXI_POSTGRES", value, POSTGRES_FORMS)
    if value != EMBEDDED and not (url.scheme in ("postgresql", "postgres") and value.count("://") == 1):
        raise _wrong("TAXI_POSTGRES", POSTGRES_FORMS)


def _check_warehouse(value: str) -> None:
    url = _split("TAXI_WAREHOUSE", value, WAREHOUSE_FORMS)
    is_duckdb = url.scheme == "duckdb" and not url.netloc and len(url.path) > 1
    is_bigquery = (
        url.scheme == "bigquery"
        and url.netloc
        and re.fullmatch(r"/\w+/?", url.path)
        and set(dict(parse_qsl(url.query, keep_blank_values=True))) <= _BIGQUERY_OPTIONS
        and dict(parse_qsl(url.query)).get("require_partition_filter", "true") in ("true", "false")
    )
    if not is_duckdb and not is_bigquery:
        raise _wrong("TAXI_WAREHOUSE", WAREHOUSE_FORMS)


def _check_address(variable: str, value: str | None) -> None:
    url = _split(variable, value or "", ADDRESS_FORMS)
    if value is not None and not (url.scheme in ("http", "https") and url.hostname):
        raise _wrong(variable, ADDRESS_FORMS)


def _split(variable: str, value: str, forms: str) -> SplitResult:
    try:
        url = urlsplit(value)
        url.port  # noqa: B018 - reading it is what checks it
    except ValueError as error:
        raise _wrong(variable, forms) from error
    return url


def _wrong(variable: str, forms: str) -> InvalidRequest:
    # The value may hold a password, so it is not repeated.
    return InvalidRequest(f"{variable} has none of the accepted forms: {forms}")
