"""Requests to one BigQuery dataset: its client, names, retries, and the translation of its errors."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from google.api_core.exceptions import NotFound
from google.cloud import bigquery

from taxi_assets.stores.bigquery.load_jobs import Loader
from taxi_assets.stores.bigquery.tables import require_names
from taxi_assets.stores.google_errors import google_failures
from taxi_assets.stores.partition import Kind, Partition, kind_of

_PARAMETERS = {Kind.MONTH: "DATE", Kind.DATE: "DATE", Kind.TIME: "TIMESTAMP", Kind.NAME: "STRING"}
_TRIES = 4  # that fit into the patience, where each request waits for an answer in vain


class Dataset:
    """One dataset, which need not exist.

    Args:
        open_client: opens the client that all requests go through; called once, at the first request.
        project: the project that holds the dataset.
        name: the dataset's name.
        location: where the dataset is, or is created; None leaves that to BigQuery.
        patience: seconds to retry a service that does not answer.
    """

    def __init__(
        self, open_client: Callable[[], bigquery.Client], project: str, name: str, location: str | None, patience: float
    ) -> None:
        self._open_client = open_client
        self.project = project
        self.name = name
        self.location = location
        self._patience = patience

    def __getstate__(self) -> dict[str, Any]:
        """Without the client: another process opens its own."""
        return {name: value for name, value in vars(self).items() if name != "client"}

    def __str__(self) -> str:
        return f"{self.project}.{self.name}"

    @cached_property
    def client(self) -> bigquery.Client:
        """Google's client, the same for all requests."""
        return self._open_client()

    @property
    def retry(self) -> Any:
        """How Google's client retries a request."""
        return bigquery.DEFAULT_RETRY.with_timeout(self._patience)

    @property
    def timeout(self) -> float:
        """Seconds to wait for the answer to one request."""
        return self._patience / _TRIES

    @property
    def upload_retries(self) -> int:
        """How often Google's client repeats a request of an upload."""
        return _TRIES - 1

    @property
    def trying(self) -> Mapping[str, Any]:
        """The options of a request that is retried."""
        return {"retry": self.retry, "timeout": self.timeout}

    @property
    def loader(self) -> Loader:
        """Runs the load jobs."""
        return Loader(self.client, self.retry, self.timeout)

    def table_name(self, table: str) -> str:
        """The table's full name, as in SQL."""
        return f"{self}.{table}"

    def quoted(self, table: str) -> str:
        """The table's full name as an SQL identifier.

        Raises:
            SchemaMismatch: BigQuery has no tables of such a name.
        """
        require_names(table, ())
        return f"`{self.table_name(table)}`"

    def reference(self, table: str) -> bigquery.TableReference:
        """The table's name for Google's client."""
        return bigquery.DatasetReference(self.project, self.name).table(table)

    def table(self, name: str) -> bigquery.Table | None:
        """The table as it is now; None where it does not exist."""
        try:
            return self.client.get_table(self.reference(name), **self.trying)
        except NotFound:
            return None

    def query(
        self,
        query: str,
        partitions: Sequence[Partition] | None = None,
        page_size: int | None = None,
        key: Sequence[bigquery.ScalarQueryParameter] = (),
    ) -> Any:
        """The rows of the query, with its parameters for partitions and for a row's key."""
        return self.client.query_and_wait(
            query,
            job_config=_query_config(partitions, key),
            page_size=page_size,
            api_timeout=self.timeout,
            retry=self.retry,
        )

    def scan_bytes(self, query: str, partitions: Sequence[Partition] | None) -> int:
        """The bytes that the query is billed for, by a dry run."""
        job = self.client.query(
            query,
            job_config=_query_config(partitions, (), dry_run=True, use_query_cache=False),
            job_retry=None,  # the client's own goes on for ten minutes, in spite of the other options
            **self.trying,
        )
        return int(job.total_bytes_processed)

    @contextmanager
    def failures(self) -> Iterator[None]:
        """Turn the errors of Google's client into this package's: see `google_failures`."""
        with google_failures(f"BigQuery {self}", "roles/bigquery.dataEditor and roles/bigquery.jobUser"):
            yield


def _query_config(
    partitions: Sequence[Partition] | None, key: Sequence[bigquery.ScalarQueryParameter], **options: bool
) -> bigquery.QueryJobConfig:
    bound = [
        bigquery.ScalarQueryParameter(f"key_of_partition_{number}", _PARAMETERS[kind_of(one)], one.key)
        for number, one in enumerate(partitions or ())
    ]
    return bigquery.QueryJobConfig(query_parameters=[*bound, *key], **options)
