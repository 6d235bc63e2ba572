"""PostgreSQL resource: connections for SQL assets and the IO manager; dagster-postgres offers instance storage only."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
from pydantic import Field, PrivateAttr, model_validator

from taxi_assets.extras import require

if TYPE_CHECKING:
    import psycopg


class PostgresResource(dg.ConfigurableResource[None]):
    """A PostgreSQL server: an existing one, by its URL, or an embedded one, by its data folder.

    Examples:
        @dg.asset
        def airport_trips(postgres: PostgresResource) -> None:
            with postgres.get_connection() as connection:
                connection.execute("CREATE TABLE airport_trips AS SELECT …")
    """

    url: str | None = Field(
        default=None,
        description="postgresql://user:password@host:5432/database; use dg.EnvVar to keep it secret.",
    )
    folder: str | None = Field(
        default=None, description="Data folder of an embedded server, which is started and stopped on demand."
    )
    _started: Future[str] | None = PrivateAttr(None)

    @model_validator(mode="after")
    def _one_server(self) -> "PostgresResource":
        if (self.url is None) == (self.folder is None):
            raise ValueError("a PostgresResource takes either the url of a server or the folder of an embedded one")
        if self.folder is not None:
            require("embedded", "an embedded PostgreSQL server")
        return self

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Start an embedded server in a thread, so that it is up when there are rows to load."""
        if self.folder is not None:
            self._started = ThreadPoolExecutor(1).submit(self.dsn)

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        """Wait for the start-up thread."""
        if self._started is not None:
            wait([self._started])

    def dsn(self) -> str:
        """The server's URL with secrets; starts an embedded server.

        Raises:
            StoreUnavailable: the embedded server cannot be started.
        """
        if self.folder is None:
            return (self.url or "").strip()
        import taxi_assets.stores.postgres.store  # noqa: F401 - a third of a second, parallel to cleaning
        from taxi_assets.stores.postgres.embedded import embedded_url

        return embedded_url(Path(self.folder))

    @contextmanager
    def get_connection(self) -> "Iterator[psycopg.Connection]":
        """A psycopg connection in one transaction: committed at the end, rolled back if the body raises, and closed.

        Raises:
            StoreUnavailable: the embedded server cannot be started.
            psycopg.OperationalError: the server does not answer.
        """
        import psycopg

        from taxi_assets.stores.postgres.conninfo import conninfo

        with psycopg.connect(conninfo(self.dsn())) as connection:
            yield connection
