"""Settings: parses each `TAXI_*` environment variable once, into a typed value of `settings.places`.

One variable per role; the form of its value selects the store. No other module reads these variables or parses their
URLs. Floor 0: imports `errors` only. Connections are made by `resources` and `stores`.
"""

import os
import re
from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from dotenv import dotenv_values
from pydantic import SecretStr

from taxi_assets.errors import InvalidRequest
from taxi_assets.settings.places import (
    BigQuery,
    Bucket,
    DuckDB,
    Embedded,
    Folder,
    LakePlace,
    Mirror,
    PostgresPlace,
    Role,
    Sample,
    Server,
    SourcePlace,
    WarehousePlace,
    Website,
)
from taxi_assets.settings.urls import bucket_and_prefix, host_and_port, refuse_unescaped, without_login

TLC_CDN = "https://d37ci6vzurychx.cloudfront.net"
SOURCE_FORMS = (
    "https://…",
    "http://…",
    "file:///…",
    "a folder laid out like TLC's CDN (trip-data/, misc/)",
    "sample",
)
LAKE_FORMS = "gs://bucket/prefix, or a folder"
POSTGRES_FORMS = "postgresql://user:password@host:5432/database, or embedded"
WAREHOUSE_FORMS = (
    "bigquery://project/dataset?location=US&require_partition_filter=true, or duckdb:///absolute/path/to/file.duckdb"
)
ADDRESS_FORMS = "https://… or http://…"
SCHEMA = "taxi"  # of the tables in Postgres and in DuckDB
_SECRETS = {"source": "TAXI_SOURCE", "postgres": "TAXI_POSTGRES", "alert_webhook": "TAXI_ALERT_WEBHOOK"}
_BIGQUERY_OPTIONS = {"location", "require_partition_filter"}


@dataclass(frozen=True)
class Settings:
    """The place of each store, of the source and of the Dagster instance.

    Attributes:
        home: folder for everything without a setting of its own: `TAXI_HOME`.
        scratch: folder for temporary files of a step or a run: `TMPDIR`, or one in the home.
        dagster_home: folder of the Dagster instance.
        source: where the source files come from: `TAXI_SOURCE`.
        lake: where the lake is: `TAXI_LAKE`.
        postgres: which PostgreSQL server holds the tables: `TAXI_POSTGRES`.
        warehouse: which warehouse holds the tables: `TAXI_WAREHOUSE`.
        alert_webhook: where alerts go: `TAXI_ALERT_WEBHOOK`; None where it is not set.
        ui: URL of the Dagster UI, for links in alerts: `TAXI_UI_URL`.
        secrets: field -> its variable, for fields whose value the UI must not show.
    """

    home: Path
    scratch: Path
    dagster_home: Path
    source: SourcePlace
    lake: LakePlace
    postgres: PostgresPlace
    warehouse: WarehousePlace
    alert_webhook: SecretStr | None
    ui: str
    secrets: Mapping[str, str]

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Settings":
        """Parse the `TAXI_*` variables; an empty variable counts as unset, and blanks around a value are stripped.

        Raises:
            InvalidRequest: a value has none of the accepted forms; the text lists them.
        """
        given = {name: value.strip() for name, value in environment.items() if name.startswith("TAXI_")}
        home = home_of(environment)
        webhook = _address("TAXI_ALERT_WEBHOOK", given.get("TAXI_ALERT_WEBHOOK") or None)
        return cls(
            home=home,
            scratch=_folder("TMPDIR", environment.get("TMPDIR") or str(home / "scratch")),
            dagster_home=dagster_home_of(environment),
            source=_source(given.get("TAXI_SOURCE") or TLC_CDN),
            lake=parse_lake(given.get("TAXI_LAKE") or str(home / "lake")),
            postgres=_postgres(given.get("TAXI_POSTGRES") or "embedded", home),
            warehouse=parse_warehouse(given.get("TAXI_WAREHOUSE") or str(DuckDB(home / "warehouse.duckdb"))),
            alert_webhook=None if webhook is None else SecretStr(webhook),
            ui=_address("TAXI_UI_URL", given.get("TAXI_UI_URL") or None) or "http://127.0.0.1:3000",
            secrets=_secrets(given),
        )

    @property
    def roles(self) -> Mapping[str, Role]:
        """Store -> its technology."""
        warehouse = self.warehouse
        return {
            "lake": Role("gcs" if isinstance(self.lake, Bucket) else "file"),
            "postgres": Role("postgres", SCHEMA),
            "warehouse": Role("bigquery", warehouse.dataset)
            if isinstance(warehouse, BigQuery)
            else Role("duckdb", SCHEMA),
        }

    @property
    def source_record(self) -> Path:
        """The file that records which kind of data the home holds, TLC's or synthetic."""
        return self.home / "source.json"

    @property
    def locks(self) -> Path:
        """Folder for the locks that serialize runs of one month on this machine."""
        return self.home / "locks"


def parse_source(value: str) -> SourcePlace:
    """Parse a source; opens no connection and reads no folder.

    Raises:
        InvalidRequest: the value has none of `SOURCE_FORMS`; the text lists them and repeats no password.
    """
    value = value.strip()
    if value == "sample":
        return Sample()
    with suppress(ValueError, RuntimeError):  # invalid host or port, unknown ~user
        parts = urlsplit(value)
        bare = "?" not in value and "#" not in value
        if parts.scheme in ("https", "http") and parts.hostname and parts.port != 0 and bare:
            return Website(SecretStr(value))
        if parts.scheme == "file" and parts.netloc in ("", "localhost") and parts.path.startswith("/") and bare:
            return Mirror(Path(unquote(parts.path)))
        if not parts.scheme and value:
            return Mirror(Path(value).expanduser())
    scheme, colon, _ = value.partition(":")
    shown = f"{scheme}:…" if colon else repr(value)
    raise InvalidRequest(f"TAXI_SOURCE cannot be {shown}: it takes {', '.join(SOURCE_FORMS)}")


def parse_lake(value: str) -> LakePlace:
    """Parse the place of a lake.

    Raises:
        InvalidRequest: the value has none of `LAKE_FORMS`.
    """
    url = _split("TAXI_LAKE", value, LAKE_FORMS)
    bucket = bucket_and_prefix(value)
    if bucket is not None:
        return Bucket(*bucket)
    if url.scheme or value.startswith("//"):
        raise _wrong("TAXI_LAKE", LAKE_FORMS)
    return Folder(_folder("TAXI_LAKE", value))


def parse_warehouse(value: str) -> WarehousePlace:
    """Parse the place of a warehouse.

    Raises:
        InvalidRequest: the value has none of `WAREHOUSE_FORMS`.
    """
    url = _split("TAXI_WAREHOUSE", value, WAREHOUSE_FORMS)
    if url.scheme == "duckdb" and url.netloc in ("", "~") and not set("?#") & set(value):
        path = unquote(url.netloc + url.path)
        file = _folder("TAXI_WAREHOUSE", re.sub(r"^/+(?=~/)", "", path))
        if path.startswith(("/", "~/")) and not path.endswith("/"):
            return DuckDB(Path("/" + str(file).lstrip("/")))
    elif url.scheme == "bigquery" and url.netloc and re.fullmatch(r"/\w+/?", url.path):
        options = dict(parse_qsl(url.query, keep_blank_values=True))
        filter_required = options.get("require_partition_filter") or "false"
        if set(options) <= _BIGQUERY_OPTIONS and filter_required in ("true", "false"):
            location = options.get("location") or None
            return BigQuery(url.netloc, url.path.strip("/"), location, filter_required == "true")
    raise _wrong("TAXI_WAREHOUSE", WAREHOUSE_FORMS)


def export(**variables: str) -> None:
    """Set variables for this process and its children; run config would record secrets in them."""
    os.environ.update(variables)


def child_environment() -> dict[str, str]:
    """The environment of child processes."""
    return dict(os.environ)


def load_env_file(environment: MutableMapping[str, str] = os.environ) -> None:
    """Set the variables of `.env` in the working directory, as Dagster's programs do.

    As there, the file takes precedence over the environment.
    """
    for name, value in dotenv_values(Path(".env")).items():
        if value is not None:
            environment[name] = value


def home_of(environment: Mapping[str, str] = os.environ) -> Path:
    """The folder for everything without a setting of its own.

    Raises:
        InvalidRequest: its `~` is an unknown user's.
    """
    return _folder("TAXI_HOME", environment.get("TAXI_HOME", "").strip() or ".taxi")


def dagster_home_of(environment: Mapping[str, str] = os.environ) -> Path:
    """The folder of the Dagster instance: below TAXI_HOME, unless DAGSTER_HOME names another.

    Raises:
        InvalidRequest: DAGSTER_HOME is a relative path, which Dagster refuses, or a `~` is an unknown user's.
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


def celery_broker(environment: Mapping[str, str] = os.environ) -> str | None:
    """The URL of the broker that a Celery worker takes runs from, by `TAXI_CELERY_BROKER`; it may hold a password."""
    return environment.get("TAXI_CELERY_BROKER", "").strip() or None


def _secrets(given: Mapping[str, str]) -> Mapping[str, str]:
    secrets = {name: variable for name, variable in _SECRETS.items() if given.get(variable)}
    source = given.get("TAXI_SOURCE", "")
    if without_login(source) == source:  # the UI shows the source's URL unless it contains a password
        secrets.pop("source", None)
    return secrets


def _folder(variable: str, value: str) -> Path:
    try:
        return Path(value).expanduser().absolute()
    except RuntimeError as error:
        raise InvalidRequest(f"{variable}: {error}; write the path in full") from error


def _source(value: str) -> SourcePlace:
    refuse_unescaped("TAXI_SOURCE", value)
    return parse_source(value)


def _postgres(value: str, home: Path) -> PostgresPlace:
    if value == "embedded":
        return Embedded(home / "postgres")
    refuse_unescaped("TAXI_POSTGRES", value)
    scheme, separator, rest = value.partition("://")
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0].rpartition("@")[2]
    hosts = [host_and_port(one) for one in authority.split(",")]
    if not separator or scheme not in ("postgresql", "postgres") or None in hosts or "://" in rest:
        raise _wrong("TAXI_POSTGRES", POSTGRES_FORMS)
    return Server(SecretStr(value))


def _address(variable: str, value: str | None) -> str | None:
    if value is None:
        return None
    refuse_unescaped(variable, value)
    url = _split(variable, value, ADDRESS_FORMS)
    if not (url.scheme in ("http", "https") and url.hostname):
        raise _wrong(variable, ADDRESS_FORMS)
    return value


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
