"""Where everything is, read from the environment and checked before anything runs.

One variable a role; the value's form picks the store. Nothing else in the package reads the environment.
"""

import os
import re
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit

from dotenv import dotenv_values

from taxi_assets.errors import InvalidRequest
from taxi_assets.settings.urls import bucket_and_prefix, host_and_port, refuse_unescaped, without_login
from taxi_assets.source import TLC_CDN, open_source

LAKE_FORMS = "gs://bucket/prefix, or a folder"
POSTGRES_FORMS = "postgresql://user:password@host:5432/database, or embedded"
WAREHOUSE_FORMS = (
    "bigquery://project/dataset?location=US&require_partition_filter=true, or duckdb:///absolute/path/to/file.duckdb"
)
ADDRESS_FORMS = "https://… or http://…"
EMBEDDED = "embedded"
_SECRETS = {"source": "TAXI_SOURCE", "postgres": "TAXI_POSTGRES", "alert_webhook": "TAXI_ALERT_WEBHOOK"}
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
    source: str = field(repr=False)
    lake: str
    postgres: str = field(repr=False)
    warehouse: str
    alert_webhook: str | None = field(repr=False)
    ui: str
    secrets: Mapping[str, str]

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Settings":
        """The settings that the `TAXI_*` variables make; an empty variable counts as unset, blanks around a value go.

        Raises:
            InvalidRequest: a value has none of the accepted forms; the text lists them.
        """
        given = {name: value.strip() for name, value in environment.items() if name.startswith("TAXI_")}
        home = home_of(environment)
        settings = cls(
            home=home,
            dagster_home=dagster_home_of(environment),
            source=given.get("TAXI_SOURCE") or TLC_CDN,
            lake=_lake(given.get("TAXI_LAKE") or str(home / "lake")),
            postgres=given.get("TAXI_POSTGRES") or EMBEDDED,
            warehouse=_warehouse(given.get("TAXI_WAREHOUSE") or f"duckdb://{quote(str(home / 'warehouse.duckdb'))}"),
            alert_webhook=given.get("TAXI_ALERT_WEBHOOK") or None,
            ui=given.get("TAXI_UI_URL") or "http://127.0.0.1:3000",
            secrets=_secrets(given),
        )
        _check_source(settings.source)
        _check_postgres(settings.postgres)
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


def load_env_file(environment: MutableMapping[str, str] = os.environ) -> None:
    """Set the variables of `.env` in the working directory, as Dagster's programs do where they start.

    As there, the file counts where the environment says otherwise.
    """
    for name, value in dotenv_values(Path(".env")).items():
        if value is not None:
            environment[name] = value


def home_of(environment: Mapping[str, str] = os.environ) -> Path:
    """The folder for everything that has no place of its own.

    Raises:
        InvalidRequest: its `~` stands for nobody's home.
    """
    return _folder("TAXI_HOME", environment.get("TAXI_HOME", "").strip() or ".taxi")


def dagster_home_of(environment: Mapping[str, str] = os.environ) -> Path:
    """The folder of the Dagster instance: below TAXI_HOME, unless DAGSTER_HOME names another.

    Raises:
        InvalidRequest: DAGSTER_HOME is a relative path, which Dagster refuses, or a `~` stands for nobody's home.
    """
    named = environment.get("DAGSTER_HOME", "")
    if not named:
        return home_of(environment) / "dagster"
    if not named.startswith(("/", "~")):
        raise InvalidRequest("DAGSTER_HOME has to be an absolute path: Dagster takes no other")
    return _folder("DAGSTER_HOME", named)


def bigquery_emulator(environment: Mapping[str, str] = os.environ) -> str | None:
    """The address of a BigQuery emulator, by `BIGQUERY_EMULATOR_HOST`; None for the service itself."""
    return environment.get("BIGQUERY_EMULATOR_HOST") or None


def _secrets(given: Mapping[str, str]) -> Mapping[str, str]:
    secrets = {name: variable for name, variable in _SECRETS.items() if given.get(variable)}
    source = given.get("TAXI_SOURCE", "")
    if without_login(source) == source:  # the UI shows where files come from, unless that holds a password
        secrets.pop("source", None)
    return secrets


def _folder(variable: str, value: str) -> Path:
    try:
        return Path(value).expanduser().absolute()
    except RuntimeError as error:
        raise InvalidRequest(f"{variable}: {error}; write the path in full") from error


def _lake(value: str) -> str:
    url = _split("TAXI_LAKE", value, LAKE_FORMS)
    if bucket_and_prefix(value) is not None:
        return value
    if url.scheme or value.startswith("//"):
        raise _wrong("TAXI_LAKE", LAKE_FORMS)
    return str(_folder("TAXI_LAKE", value))


def _check_source(value: str) -> None:
    refuse_unescaped("TAXI_SOURCE", value)
    open_source(value)


def _check_postgres(value: str) -> None:
    if value == EMBEDDED:
        return
    refuse_unescaped("TAXI_POSTGRES", value)
    scheme, separator, rest = value.partition("://")
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0].rpartition("@")[2]
    hosts = [host_and_port(one) for one in authority.split(",")]
    if not separator or scheme not in ("postgresql", "postgres") or None in hosts or "://" in rest:
        raise _wrong("TAXI_POSTGRES", POSTGRES_FORMS)


def _warehouse(value: str) -> str:
    url = _split("TAXI_WAREHOUSE", value, WAREHOUSE_FORMS)
    if url.scheme == "duckdb" and url.netloc in ("", "~") and not set("?#") & set(value):
        path = unquote(url.netloc + url.path)
        file = _folder("TAXI_WAREHOUSE", re.sub(r"^/+(?=~/)", "", path))
        if path.startswith(("/", "~/")) and not path.endswith("/"):
            return f"duckdb://{quote(str(file))}"
    elif (
        url.scheme == "bigquery"
        and url.netloc
        and re.fullmatch(r"/\w+/?", url.path)
        and set(dict(parse_qsl(url.query, keep_blank_values=True))) <= _BIGQUERY_OPTIONS
        and dict(parse_qsl(url.query)).get("require_partition_filter", "true") in ("true", "false")
    ):
        return value
    raise _wrong("TAXI_WAREHOUSE", WAREHOUSE_FORMS)


def _check_address(variable: str, value: str | None) -> None:
    if value is None:
        return
    refuse_unescaped(variable, value)
    url = _split(variable, value, ADDRESS_FORMS)
    if not (url.scheme in ("http", "https") and url.hostname):
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
