"""Replace and read slices of tables in BigQuery.

A month is one partition, and one load job with WRITE_TRUNCATE replaces it: readers see the old month until the job is
done, and the new one after it. Rows that lie in GCS are loaded from there by BigQuery itself. Nothing is changed by
DML, which has quotas, costs a scan, and would leave a gap between DELETE and INSERT.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
from google.api_core.exceptions import GoogleAPICallError, NotFound, PreconditionFailed, ServiceUnavailable
from google.cloud import bigquery

from taxi_assets.errors import InvalidRequest, Overtaken, SliceMissing, StoreUnavailable
from taxi_assets.month import Month
from taxi_assets.raw_file import sha256_of
from taxi_assets.settings import bigquery_emulator
from taxi_assets.stores import load_log
from taxi_assets.stores.arrow import storable, type_names, with_month
from taxi_assets.stores.base import Stored, TableSlice
from taxi_assets.stores.bigquery import empty_months
from taxi_assets.stores.bigquery.loading import Loader, job_name
from taxi_assets.stores.bigquery.tables import (
    DIALECT,
    TYPE_NAMES,
    adapt,
    arrow_schema,
    new_table,
    partition_of,
    require_names,
)
from taxi_assets.stores.digest import Digest, Parts, digest_query
from taxi_assets.stores.google_errors import google_failures, session_is_lost
from taxi_assets.stores.lake.parquet import write_parquet
from taxi_assets.stores.os_errors import disk_failures
from taxi_assets.stores.rows import Rows, conform

_TRIES = 4  # that fit into the patience, where each waits for an answer that never comes
_ATTEMPTS = 10  # against others who change the same table at the same time
_PAGE_ROWS = 50_000


class BigQueryStore:
    """Tables in one dataset; `TableSlice.table` is a table's name without project and dataset.

    Credentials are Google's Application Default Credentials; `BIGQUERY_EMULATOR_HOST` is honoured.

    Args:
        client: opens the client, once.
        project: the project that holds the dataset and is billed.
        dataset: the dataset; made where it is missing.
        month_column: the DATE column by which a table of months is partitioned.
        location: where the dataset is, or is made; where it is None, BigQuery's default for a new dataset (US).
        require_partition_filter: whether queries must say which months they mean.
        patience: seconds to go on asking a service that does not answer.
    """

    def __init__(
        self,
        client: Callable[[], bigquery.Client],
        project: str,
        dataset: str,
        month_column: str,
        *,
        location: str | None = None,
        require_partition_filter: bool = False,
        patience: float = 120,
    ) -> None:
        self._open_client = client
        self._project = project
        self._dataset = dataset
        self._month_column = month_column
        self._location = location
        self._require_partition_filter = require_partition_filter
        self._patience = patience

    def __getstate__(self) -> dict[str, Any]:
        """A store goes to another process without its connections."""
        return {name: value for name, value in vars(self).items() if name != "_client"}

    def table_name(self, table: str) -> str:
        """The table's name as a query says it."""
        return f"{self._project}.{self._dataset}.{table}"

    def replace(self, piece: TableSlice, rows: Rows, entry: load_log.Entry | None = None) -> Stored:
        """Make the slice hold exactly these rows, by one load job; where an entry is given, another adds its line.

        Raises:
            SchemaMismatch: a column has a type, or a name, that the table, or BigQuery, does not have.
            StoreUnavailable: the service does not answer or asks to come back later, or the disk here is full.
            StoreError: the service refuses the rows, or they are of another month.
            Overtaken: what the rows were made from is not current any more.
        """
        rows = with_month(storable(rows), self._month_column, piece.month)
        types = type_names(rows.schema, TYPE_NAMES, "BigQuery")
        require_names(piece.table, types)
        with self._failures():
            table = self._ensure(piece, rows.schema)
            with self._source(table, piece, rows) as (identity, start):
                name = job_name(partition_of(self.table_name(piece.table), piece.month), table.etag or "", *identity)
                rows.confirm()
                job = self._loader.load(name, table.location, start)
            _require_still_current(rows)
            count = int(job.output_rows or 0)
            if piece.month is not None and count == 0:
                self._append(empty_months.TABLE, empty_months.line_of(table, piece.month), f"{job.job_id}_empty")
            if entry is not None:
                # By the service's clock where it tells: this machine's may be set back between two loads.
                line = entry.line(piece, count, job.ended or load_log.now_after(None))
                self._append(entry.audit_table, line, f"{job.job_id}_audit")
            return Stored(count, None, rows.schema, types, scan_bytes=self._scan_bytes(piece))

    def read(self, table: str, months: Sequence[Month] | None = None) -> Rows:
        """The rows of the table, or of those months of it.

        Raises:
            SliceMissing: the table, or a month of it, is not there.
        """
        with self._failures():
            found = self._table(table)
            missing = sorted(set(months or ()) - set(self._months(found))) if found is not None else []
        if found is None or missing:
            what = f"{table} {', '.join(str(month) for month in missing)}".strip()
            raise SliceMissing(f"BigQuery has no {self._project}.{self._dataset}.{what}: materialize it first")
        schema = arrow_schema(found)
        query = f"SELECT * FROM {self._quoted(table)}{self._where(found, months)}"

        def open_batches() -> Iterator[pa.RecordBatch]:
            with self._failures():
                answer = self._query(query, months, page_size=_PAGE_ROWS)
                for batch in answer.to_arrow_iterable(bqstorage_client=self._read_client()):
                    yield conform(batch, schema)

        return Rows(schema, open_batches)

    def count(self, piece: TableSlice) -> int:
        """Rows in the slice; 0 where there is none. BigQuery answers from the table's metadata, at no cost."""
        with self._failures():
            table = self._table(piece.table)
            if table is None:
                return 0
            months = None if piece.month is None else [piece.month]
            query = f"SELECT count(*) FROM {self._quoted(piece.table)}{self._where(table, months)}"
            return int(next(iter(self._query(query, months)))[0])

    def digest(self, piece: TableSlice, parts: Parts, position: str, total: str | None = None) -> Digest:
        """What the slice holds, computed by BigQuery, which bills a scan of it: see `stores.digest`."""
        with self._failures():
            table = self._table(piece.table)
            if table is None:
                return Digest(0, 0, dict.fromkeys(parts, 0))
            months = None if piece.month is None else [piece.month]
            source = f"{self._quoted(piece.table)}{self._where(table, months)}"
            answer = self._query(digest_query(DIALECT, source, parts, position, total), months)
            return Digest.of(list(next(iter(answer))), parts)

    def row(self, piece: TableSlice, key: Mapping[str, Any]) -> dict[str, Any] | None:
        """A row of the slice that has these values; None where there is none.

        BigQuery bills the month, less what a value in a column that the table is clustered by leaves out.
        """
        with self._failures():
            table = self._table(piece.table)
            if table is None:
                return None
            require_names(piece.table, key)
            schema = arrow_schema(table)
            months = None if piece.month is None else [piece.month]
            where = self._where(table, months) or " WHERE TRUE"
            conditions = "".join(f" AND `{name}` = @key_{number}" for number, name in enumerate(key))
            bound = [
                bigquery.ScalarQueryParameter(f"key_{number}", TYPE_NAMES[schema.field(name).type], value)
                for number, (name, value) in enumerate(key.items())
            ]
            query = f"SELECT * FROM {self._quoted(piece.table)}{where}{conditions} LIMIT 1"
            found = self._query(query, months, key=bound).to_arrow_iterable()
            rows = [row for batch in found for row in conform(batch, schema).to_pylist()]
        return rows[0] if rows else None

    def months(self, table: str) -> list[Month]:
        """The months of the table that are there, oldest first."""
        with self._failures():
            found = self._table(table)
            return [] if found is None else self._months(found)

    @cached_property
    def _client(self) -> bigquery.Client:
        return self._open_client()

    def _read_client(self) -> Any:
        """The Storage Read API, which is several times as fast as pages; an emulator is read by pages."""
        if bigquery_emulator():
            return None
        from google.cloud.bigquery_storage import BigQueryReadClient

        return BigQueryReadClient()

    @property
    def _retry(self) -> Any:
        return bigquery.DEFAULT_RETRY.with_timeout(self._patience)

    @property
    def _timeout(self) -> float:
        return self._patience / _TRIES

    @property
    def _loader(self) -> Loader:
        return Loader(self._client, self._retry, self._timeout)

    @property
    def _trying(self) -> Mapping[str, Any]:
        return {"retry": self._retry, "timeout": self._timeout}

    def _ensure(self, piece: TableSlice, schema: pa.Schema) -> bigquery.Table:
        """The table, made where it is missing, with every column of the schema."""
        month_column = None if piece.month is None else self._month_column
        options = {"require_partition_filter": self._require_partition_filter}

        def change(table: bigquery.Table) -> list[str]:
            return adapt(table, schema, month_column, **options)

        try:
            table = self._change(piece.table, change)
        except NotFound:
            self._ensure_dataset()
            made = new_table(self._reference(piece.table), schema, month_column, **options)
            self._client.create_table(made, exists_ok=True, **self._trying)
            table = self._change(piece.table, change)
        if self._location and table.location and table.location.lower() != self._location.lower():
            raise InvalidRequest(
                f"{self._project}.{self._dataset} is in {table.location}, not in {self._location}: "
                "a dataset stays where it was made; name its location, or another dataset"
            )
        return table

    def _ensure_dataset(self) -> None:
        dataset = bigquery.Dataset(bigquery.DatasetReference(self._project, self._dataset))
        if self._location is not None:
            dataset.location = self._location
        self._client.create_dataset(dataset, exists_ok=True, **self._trying)

    def _change(self, name: str, change: Callable[[bigquery.Table], list[str]]) -> bigquery.Table:
        """Apply the change to the table as it is now, and again where somebody else changed it meanwhile."""
        for _ in range(_ATTEMPTS):
            table = self._client.get_table(self._reference(name), **self._trying)
            changed = change(table)
            if not changed:
                return table
            try:
                return self._client.update_table(table, changed, **self._trying)
            except PreconditionFailed:
                continue
        raise StoreUnavailable(f"{self.table_name(name)} is changed by others again and again")

    @contextmanager
    def _source(
        self, table: bigquery.Table, piece: TableSlice, rows: Rows
    ) -> Iterator[tuple[list[str], Callable[[str], bigquery.LoadJob]]]:
        """What is loaded: what tells it apart from other rows, and how a job with a given id is started."""
        to = partition_of(self.table_name(piece.table), piece.month)
        told = self._told(table, bigquery.WriteDisposition.WRITE_TRUNCATE)
        if rows.objects:
            uris = [name.partition("#")[0] for name in rows.objects]
            yield (
                list(rows.objects),
                lambda job_id: self._client.load_table_from_uri(uris, to, job_id=job_id, retry=self._retry, **told),
            )
            return
        with disk_failures(Path(tempfile.gettempdir())), tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "rows.parquet"
            write_parquet(rows.with_schema(arrow_schema(table)), path)
            yield [sha256_of(path)], self._upload(path, to, told)

    def _append(self, name: str, line: Rows, job_name: str) -> None:
        """Add the line to the table, once for the job of that name, whoever tries again."""
        table = self._ensure(TableSlice(name), line.schema)
        told = self._told(table, bigquery.WriteDisposition.WRITE_APPEND)
        with disk_failures(Path(tempfile.gettempdir())), tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "line.parquet"
            write_parquet(line, path)
            start = self._upload(path, self.table_name(name), {**told, "size": path.stat().st_size})  # in one request
            self._loader.load_once(job_name, table.location, start)

    def _told(self, table: bigquery.Table, disposition: str) -> Mapping[str, Any]:
        """What every load of Parquet into the table tells Google's client."""
        config = bigquery.LoadJobConfig(
            source_format=bigquery.SourceFormat.PARQUET,
            create_disposition=bigquery.CreateDisposition.CREATE_NEVER,
            write_disposition=disposition,
            schema=table.schema,
        )
        return {"location": table.location, "job_config": config, "timeout": self._timeout}

    def _upload(self, path: Path, to: str, told: Mapping[str, Any]) -> Callable[[str], bigquery.LoadJob]:
        """How a job with a given id that loads the file is started."""

        def upload(job_id: str) -> bigquery.LoadJob:
            try:
                with path.open("rb") as file:
                    return self._client.load_table_from_file(file, to, job_id=job_id, num_retries=_TRIES - 1, **told)
            except GoogleAPICallError as error:
                if session_is_lost(error):
                    raise ServiceUnavailable("the upload is lost") from error  # which is tried again
                raise

        start: Callable[[str], bigquery.LoadJob] = self._retry(upload)
        return start

    def _scan_bytes(self, piece: TableSlice) -> int:
        months = None if piece.month is None else [piece.month]
        job = self._client.query(
            f"SELECT * FROM {self._quoted(piece.table)}{self._in_months(months)}",
            job_config=_query_config(months, (), dry_run=True, use_query_cache=False),
            job_retry=None,  # the client's own goes on for ten minutes, whatever the other says
            **self._trying,
        )
        return int(job.total_bytes_processed)

    def _table(self, name: str) -> bigquery.Table | None:
        try:
            return self._client.get_table(self._reference(name), **self._trying)
        except NotFound:
            return None

    def _months(self, table: bigquery.Table) -> list[Month]:
        answer = self._query(
            f"SELECT partition_id FROM `{self._project}.{self._dataset}.INFORMATION_SCHEMA.PARTITIONS` "
            f"WHERE table_name = '{table.table_id}' AND total_rows > 0"
        )
        found = [partition for (partition,) in answer if partition is not None and partition.isdecimal()]
        noted = self._table(empty_months.TABLE)
        lines = () if noted is None else self._client.list_rows(noted, **self._trying)
        empty = empty_months.months_loaded_empty(table, lines)
        return sorted({Month(int(name[:4]), int(name[4:])) for name in found} | empty)

    def _query(
        self,
        query: str,
        months: Sequence[Month] | None = None,
        page_size: int | None = None,
        key: Sequence[bigquery.ScalarQueryParameter] = (),
    ) -> Any:
        return self._client.query_and_wait(
            query,
            job_config=_query_config(months, key),
            page_size=page_size,
            api_timeout=self._timeout,
            retry=self._retry,
        )

    def _where(self, table: bigquery.Table, months: Sequence[Month] | None) -> str:
        if months is None and table.require_partition_filter:
            return f" WHERE {self._month_column} >= '0001-01-01'"
        return self._in_months(months)

    def _in_months(self, months: Sequence[Month] | None) -> str:
        if months is None:
            return ""
        # By a parameter each: BigQuery leaves out other partitions for constants, and an array is none.
        names = ", ".join(f"@month_{number}" for number in range(len(months)))
        return f" WHERE {self._month_column} IN ({names})"

    def _quoted(self, table: str) -> str:
        require_names(table, ())
        return f"`{self.table_name(table)}`"

    def _reference(self, table: str) -> bigquery.TableReference:
        return bigquery.DatasetReference(self._project, self._dataset).table(table)

    @contextmanager
    def _failures(self) -> Iterator[None]:
        where = f"BigQuery {self._project}.{self._dataset}"
        with google_failures(where, "roles/bigquery.dataEditor and roles/bigquery.jobUser"):
            yield


def _query_config(
    months: Sequence[Month] | None, key: Sequence[bigquery.ScalarQueryParameter], **options: bool
) -> bigquery.QueryJobConfig:
    bound = [
        bigquery.ScalarQueryParameter(f"month_{number}", "DATE", month.first_day)
        for number, month in enumerate(months or ())
    ]
    return bigquery.QueryJobConfig(query_parameters=[*bound, *key], **options)


def _require_still_current(rows: Rows) -> None:
    """Have a load repeated that became outdated while its job ran, since it may have ended after the newer one's."""
    try:
        rows.confirm()
    except Overtaken as error:
        raise StoreUnavailable(f"{error}; the job for the older one had begun, so the newer is loaded again") from error
