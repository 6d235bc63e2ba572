"""Rows into BigQuery: by reference to their objects in a bucket, or as an uploaded Parquet file."""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
from google.api_core.exceptions import GoogleAPICallError, ServiceUnavailable
from google.cloud import bigquery

from taxi_assets.errors import Overtaken, StoreUnavailable
from taxi_assets.raw_file import sha256_of
from taxi_assets.stores.bigquery.column_types import TYPES, is_loadable
from taxi_assets.stores.bigquery.connection import Dataset
from taxi_assets.stores.bigquery.definition import ensure_table
from taxi_assets.stores.bigquery.load_jobs import job_name
from taxi_assets.stores.bigquery.tables import arrow_schema, types_of
from taxi_assets.stores.google_errors import session_is_lost
from taxi_assets.stores.lake.parquet import write_parquet
from taxi_assets.stores.os_errors import disk_failures
from taxi_assets.stores.rows import Rows
from taxi_assets.stores.scratch import scratch_folder

StartJob = Callable[[str], bigquery.LoadJob]


def load(dataset: Dataset, table: bigquery.Table, destination: str, rows: Rows) -> bigquery.LoadJob:
    """Replace the destination, a table or a partition, by one load job, and return the finished job.

    Raises:
        Overtaken: another run replaced what the rows were made from.
        StoreUnavailable: the same while the job ran, so that the load has to be repeated.
    """
    with _source(dataset, table, destination, rows) as (identity, start):
        name = job_name(destination, table.etag or "", *identity)
        rows.confirm()
        job = dataset.loader.load(name, table.location, start)
    _require_still_current(rows)
    return job


def append(dataset: Dataset, name: str, line: Rows, job: str, *, require_partition_filter: bool) -> None:
    """Append the line to the table; idempotent for each job name."""
    table = ensure_table(dataset, name, line, None, require_partition_filter=require_partition_filter)
    options = _load_options(dataset, table, bigquery.WriteDisposition.WRITE_APPEND)
    with _temporary_folder() as folder:
        path = folder / "line.parquet"
        write_parquet(line, path)
        in_one_request = {**options, "size": path.stat().st_size}
        start = _upload(dataset, path, dataset.table_name(name), in_one_request)
        dataset.loader.load_once(job, table.location, start)


@contextmanager
def _source(
    dataset: Dataset, table: bigquery.Table, destination: str, rows: Rows
) -> Iterator[tuple[list[str], StartJob]]:
    """What identifies the rows' content, and the function that starts a job of a given id."""
    options = _load_options(dataset, table, bigquery.WriteDisposition.WRITE_TRUNCATE)
    rows = _loadable(rows, table)
    if rows.objects:
        uris = [name.partition("#")[0] for name in rows.objects]

        def start(job_id: str) -> bigquery.LoadJob:
            return dataset.client.load_table_from_uri(uris, destination, job_id=job_id, retry=dataset.retry, **options)

        yield list(rows.objects), start
        return
    with _temporary_folder() as folder:
        path = folder / "rows.parquet"
        write_parquet(_uploaded(rows, table), path)
        yield [sha256_of(path)], _upload(dataset, path, destination, options)


def _loadable(rows: Rows, table: bigquery.Table) -> Rows:
    """The rows in types that a load job reads into the table's; with their objects, where those have them already."""
    held = types_of(table)
    schema = arrow_schema(table)
    fields = [
        field
        if is_loadable(field.type) and TYPES.name_of(field.type) == held[field.name]
        else field.with_type(schema.field(field.name).type)
        for field in rows.schema
    ]
    return rows.with_schema(pa.schema(fields, rows.schema.metadata))


def _uploaded(rows: Rows, table: bigquery.Table) -> Rows:
    """The rows with the table's columns, in its types; decimals as long as they are, since few readers know longer."""
    brought = {field.name: field.type for field in rows.schema if pa.types.is_decimal(field.type)}
    schema = arrow_schema(table)
    fields = [
        field.with_type(brought[field.name]) if field.type == pa.decimal256(76, 38) and field.name in brought else field
        for field in schema
    ]
    return rows.with_schema(pa.schema(fields, schema.metadata))


@contextmanager
def _temporary_folder() -> Iterator[Path]:
    """A folder for a file to upload; a later one removes it after a kill."""
    root = Path(tempfile.gettempdir())
    with disk_failures(root), scratch_folder(root) as folder:
        yield folder


def _load_options(dataset: Dataset, table: bigquery.Table, disposition: str) -> Mapping[str, Any]:
    """The options of every load of Parquet into the table."""
    config = bigquery.LoadJobConfig(
        source_format=bigquery.SourceFormat.PARQUET,
        create_disposition=bigquery.CreateDisposition.CREATE_NEVER,
        write_disposition=disposition,
        schema=table.schema,
    )
    return {"location": table.location, "job_config": config, "timeout": dataset.timeout}


def _upload(dataset: Dataset, path: Path, destination: str, options: Mapping[str, Any]) -> StartJob:
    """The function that starts a job of a given id, which loads the file."""

    def upload(job_id: str) -> bigquery.LoadJob:
        try:
            with path.open("rb") as file:
                return dataset.client.load_table_from_file(
                    file, destination, job_id=job_id, num_retries=dataset.upload_retries, **options
                )
        except GoogleAPICallError as error:
            if session_is_lost(error):
                raise ServiceUnavailable("the upload is lost") from error  # which Google's retry repeats
            raise

    start: StartJob = dataset.retry(upload)
    return start


def _require_still_current(rows: Rows) -> None:
    """Have an outdated load repeated: its job may have ended after the job of the newer rows."""
    try:
        rows.confirm()
    except Overtaken as error:
        raise StoreUnavailable(f"{error}; the job for the older one had begun, so the newer is loaded again") from error
