"""What the harness adds to the servers, tried with the genuine clients."""

import io
import math
import os
import threading
import time
from collections.abc import Callable, Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from taxi_assets_tests.servers.bigquery import BigQueryServer, bigquery_server, why_no_bigquery_server
from taxi_assets_tests.servers.gcs import GcsServer, gcs_server

bigquery = pytest.importorskip("google.cloud.bigquery")
storage = pytest.importorskip("google.cloud.storage")
exceptions = pytest.importorskip("google.api_core.exceptions")
credentials = pytest.importorskip("google.auth.credentials")
pytestmark = pytest.mark.skipif(why_no_bigquery_server() is not None, reason=str(why_no_bigquery_server()))

TABLE = "project.taxi.trips"
JANUARY, FEBRUARY = date(2024, 1, 1), date(2024, 2, 1)
SCHEMA = [
    bigquery.SchemaField("id", "INT64", description="a number"),
    bigquery.SchemaField("note", "STRING"),
    bigquery.SchemaField("source_month", "DATE", mode="REQUIRED"),
]


@pytest.fixture(scope="module")
def gcs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GcsServer]:
    with gcs_server(tmp_path_factory.mktemp("servers") / "gcs") as server:
        client = storage.Client(
            project="project",
            credentials=credentials.AnonymousCredentials(),
            client_options={"api_endpoint": server.url},
        )
        client.create_bucket("lake")
        client.close()
        yield server


@pytest.fixture(scope="module")
def server(gcs: GcsServer) -> Iterator[BigQueryServer]:
    with bigquery_server(gcs.folder) as running:
        yield running


@pytest.fixture
def bucket(gcs: GcsServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs.url)
    client = storage.Client(project="project", credentials=credentials.AnonymousCredentials())
    yield client.bucket("lake")
    client.close()


@pytest.fixture
def client(server: BigQueryServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A client, and an empty table by month that demands a partition filter."""
    monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", server.url)
    made = bigquery.Client(project="project", credentials=credentials.AnonymousCredentials())
    dataset = bigquery.Dataset("project.taxi")
    dataset.location = "EU"
    made.create_dataset(dataset, exists_ok=True)
    made.delete_table(TABLE, not_found_ok=True)
    table = bigquery.Table(TABLE, SCHEMA)
    table.time_partitioning = bigquery.TimePartitioning("MONTH", field="source_month")
    table.clustering_fields = ["id"]
    table.labels = {"kept": "yes", "dropped": "soon"}
    table.description = "trips"
    table.require_partition_filter = True
    made.create_table(table)
    yield made
    made.close()


def month_of(month: date, rows: int, first: int = 0) -> pa.Table:
    return pa.table({"source_month": [month] * rows, "id": pa.array(range(first, first + rows), pa.int32())})


def load(client: Any, data: pa.Table, partition: str = "", **options: Any) -> Any:
    file = io.BytesIO()
    pq.write_table(data, file)
    config = bigquery.LoadJobConfig(
        source_format="PARQUET", write_disposition="WRITE_TRUNCATE", create_disposition="CREATE_NEVER"
    )
    return client.load_table_from_file(file, TABLE + partition, rewind=True, job_config=config, **options).result()


def counts(client: Any) -> dict[date, int]:
    query = f"SELECT source_month, count(*) FROM `{TABLE}` WHERE source_month > '2000-01-01' GROUP BY 1"
    return {row[0]: row[1] for row in client.query(query).result()}


def test_a_resumable_upload_goes_on_where_it_began(gcs: GcsServer) -> None:
    begun = httpx.post(
        f"{gcs.url}/upload/storage/v1/b/lake/o?uploadType=resumable", json={"name": "a"}, headers={"Host": "a.proxy:1"}
    )
    assert begun.headers["location"].startswith("http://a.proxy:1/upload/")


def test_objects_of_any_name_survive_a_kill(gcs: GcsServer, bucket: Any, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(os.urandom(1_000_000))
    name = "clean/green trips/month=2024-01/ü%25?#&.parquet"
    bucket.blob(name, chunk_size=262_144).upload_from_filename(file)
    gcs.kill()
    (gcs.folder / "lake" / "clean" / ".cut off123").write_bytes(b"")  # what a kill leaves
    gcs.restart()
    assert [blob.name for blob in bucket.list_blobs()] == [name]
    assert bucket.blob(name).download_as_bytes() == file.read_bytes()
    assert (gcs.folder / "lake" / name).stat().st_size == 1_000_000


def test_a_decorated_load_replaces_one_month_by_name(client: Any, bucket: Any, tmp_path: Path) -> None:
    file = tmp_path / "green.parquet"
    load(client, month_of(FEBRUARY, 5), "$202402")
    for rows in (3, 2):
        pq.write_table(month_of(JANUARY, rows), file)
        bucket.blob("clean/month=2024-01/green [1].parquet").upload_from_filename(file)
        config = bigquery.LoadJobConfig(
            schema=SCHEMA,
            source_format="PARQUET",
            write_disposition="WRITE_TRUNCATE",
            create_disposition="CREATE_NEVER",
        )
        uri = "gs://lake/clean/month=2024-01/green [1].parquet"
        job = client.load_table_from_uri(uri, f"{TABLE}$202401", job_config=config, location="EU").result()
        assert (job.output_rows, job.location) == (rows, "EU")
    assert counts(client) == {JANUARY: 2, FEBRUARY: 5}
    query = f"SELECT id, note FROM `{TABLE}` WHERE source_month = @month ORDER BY id"
    month = bigquery.ScalarQueryParameter("month", "DATE", JANUARY)
    rows = client.query(query, job_config=bigquery.QueryJobConfig(query_parameters=[month])).result()
    assert [tuple(row) for row in rows] == [(0, None), (1, None)]


def test_a_plain_load_replaces_everything(client: Any) -> None:
    load(client, month_of(FEBRUARY, 5), "$202402")
    load(client, month_of(JANUARY, 4))
    assert counts(client) == {JANUARY: 4}


@pytest.mark.parametrize(
    ("data", "reason", "message"),
    [
        (month_of(FEBRUARY, 1), "invalid", "different partitions"),
        (month_of(JANUARY, 1).append_column("more", pa.array([1])), "invalid", "Cannot add fields"),
        (month_of(JANUARY, 1).set_column(1, "id", pa.array(["1"])), "invalid", "does not match the target type"),
        (pa.table({"id": [1]}), "invalid", "source_month"),
    ],
)
def test_a_load_that_does_not_fit_changes_nothing(client: Any, data: pa.Table, reason: str, message: str) -> None:
    load(client, month_of(JANUARY, 3), "$202401")
    etag = client.get_table(TABLE).etag
    with pytest.raises(exceptions.BadRequest, match=message) as raised:
        load(client, data, "$202401")
    assert raised.value.errors[0]["reason"] == reason
    assert (counts(client), client.get_table(TABLE).etag) == ({JANUARY: 3}, etag)


def test_an_object_or_table_that_is_not_there_fails_the_job(client: Any) -> None:
    config = bigquery.LoadJobConfig(source_format="PARQUET", create_disposition="CREATE_NEVER")
    for uri, table in (("gs://lake/none", TABLE), ("gs://lake/none", "project.taxi.none")):
        with pytest.raises(exceptions.NotFound):
            client.load_table_from_uri(uri, table, job_config=config).result()


def test_a_job_id_is_taken_once_and_found_again(client: Any) -> None:
    load(client, month_of(JANUARY, 3), "$202401", job_id="mine")
    with pytest.raises(exceptions.Conflict, match="Already Exists"):
        load(client, month_of(JANUARY, 9), "$202401", job_id="mine")
    assert client.get_job("mine", location="EU").output_rows == 3
    assert counts(client) == {JANUARY: 3}


@pytest.mark.parametrize("resumable", [False, True])
def test_an_upload_arrives_as_it_was_sent(client: Any, server: BigQueryServer, resumable: bool) -> None:
    data = month_of(JANUARY, 1000).append_column("note", pa.array([f"{n}\r\n--\0" for n in range(1000)]))
    load(client, data, "$202401", size=None if resumable else len(_parquet(data)))
    query = f"SELECT note FROM `{TABLE}` WHERE source_month = '2024-01-01'"
    assert sorted(row[0] for row in client.query(query).result()) == sorted(data["note"].to_pylist())
    uploads = [request for request in server.requests() if request.path.startswith("/upload")]
    assert uploads[-1].method == ("PUT" if resumable else "POST")
    assert uploads[-1].body_bytes >= len(_parquet(data))


def _parquet(data: pa.Table) -> bytes:
    file = io.BytesIO()
    pq.write_table(data, file)
    return file.getvalue()


def test_a_table_keeps_what_it_was_made_with_and_guards_its_etag(client: Any) -> None:
    stale, table = client.get_table(TABLE), client.get_table(TABLE)
    assert (table.require_partition_filter, table.clustering_fields, table.description) == (True, ["id"], "trips")
    assert (table.time_partitioning.type_, table.schema[0].description) == ("MONTH", "a number")
    table.schema = [*table.schema, bigquery.SchemaField("extra", "FLOAT64", description="more")]
    table.labels = {"dropped": None, "new": "yes"}
    changed = client.update_table(table, ["schema", "labels"])
    assert (changed.labels, changed.schema[-1].description) == ({"kept": "yes", "new": "yes"}, "more")
    assert changed.require_partition_filter
    assert changed.etag != stale.etag
    stale.description = "stale"
    with pytest.raises(exceptions.PreconditionFailed):
        client.update_table(stale, ["description"])
    changed.schema = changed.schema[1:]
    with pytest.raises(exceptions.BadRequest, match="missing in new schema"):
        client.update_table(changed, ["schema"])


def test_a_whole_scan_is_refused(client: Any) -> None:
    with pytest.raises(exceptions.BadRequest, match="without a filter"):
        client.query(f"SELECT count(*) FROM `{TABLE}`").result()


def test_partitions_are_listed(client: Any) -> None:
    load(client, month_of(JANUARY, 3), "$202401")
    query = "SELECT table_name, partition_id, total_rows FROM `project.taxi.INFORMATION_SCHEMA.PARTITIONS`"
    assert [tuple(row) for row in client.query(query).result()] == [("trips", "202401", 3)]


def test_values_come_back_as_they_were(client: Any) -> None:
    moments = [
        datetime(1, 1, 1, 0, 0, 0, 1),
        datetime(9999, 12, 31, 23, 59, 59, 999_999),
        None,
        datetime(2024, 3, 10, 2),
    ]
    data = pa.table(
        {
            "small": pa.array([1, -32_768, None, 32_767], pa.int16()),
            "real": [math.inf, -math.inf, None, -0.0],
            "text": ["ü'\"`\n\r\\", "a\0b", "", None],
            "bytes": [b"\0\xff", b"", None, b"\x80"],
            "flag": [True, False, None, True],
            "day": [date(1, 1, 1), date(9999, 12, 31), None, JANUARY],
            "local": pa.array(moments, pa.timestamp("us")),
            "instant": pa.array(moments, pa.timestamp("us", "UTC")),
        }
    )
    types = ["INT64", "FLOAT64", "STRING", "BYTES", "BOOL", "DATE", "DATETIME", "TIMESTAMP"]
    client.delete_table("project.taxi.types", not_found_ok=True)
    fields = [bigquery.SchemaField(name, type_) for name, type_ in zip(data.column_names, types, strict=True)]
    client.create_table(bigquery.Table("project.taxi.types", fields))
    config = bigquery.LoadJobConfig(source_format="PARQUET", create_disposition="CREATE_NEVER")
    client.load_table_from_file(io.BytesIO(_parquet(data)), "project.taxi.types", job_config=config).result()
    back = client.query("SELECT * FROM `project.taxi.types`").result().to_arrow(create_bqstorage_client=False)
    assert back.to_pylist() == data.to_pylist()
    assert math.copysign(1, back["real"][3].as_py()) == -1


def test_readers_see_a_month_before_or_after_its_load(client: Any) -> None:
    rows = 100_000
    load(client, month_of(JANUARY, rows), "$202401")
    query = f"SELECT min(id), max(id), count(*) FROM `{TABLE}` WHERE source_month = '2024-01-01'"
    stop = threading.Event()
    seen: set[tuple[int, ...]] = set()

    def read() -> None:
        while not stop.is_set():
            seen.update(tuple(row) for row in client.query(query).result())

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for first in (rows, 2 * rows, 3 * rows):
            load(client, month_of(JANUARY, rows, first), "$202401")
    finally:
        stop.set()
        reader.join()
    assert seen <= {(first, first + rows - 1, rows) for first in range(0, 4 * rows, rows)}


def test_loads_at_once_all_succeed(client: Any) -> None:
    failures = run_at_once(
        *(
            lambda first=first: load(client, month_of(JANUARY, 1000, first), "$202401")
            for first in range(0, 4000, 1000)
        ),
        lambda: load(client, month_of(FEBRUARY, 500), "$202402"),
    )
    assert not failures
    assert counts(client) == {JANUARY: 1000, FEBRUARY: 500}


def run_at_once(*actions: Callable[[], Any]) -> list[BaseException]:
    failures: list[BaseException] = []

    def run(action: Callable[[], Any]) -> None:
        try:
            action()
        except BaseException as failure:  # noqa: BLE001 - the test looks at it
            failures.append(failure)

    threads = [threading.Thread(target=run, args=(action,)) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return failures


@pytest.mark.faults
def test_a_kill_during_a_load_leaves_the_old_month(client: Any, server: BigQueryServer, gcs: GcsServer) -> None:
    load(client, month_of(JANUARY, 3), "$202401")
    pq.write_table(month_of(JANUARY, 5_000_000), gcs.folder / "lake" / "big.parquet")
    config = bigquery.LoadJobConfig(source_format="PARQUET", write_disposition="WRITE_TRUNCATE")

    def load_big() -> None:
        uri = "gs://lake/big.parquet"
        client.load_table_from_uri(uri, f"{TABLE}$202401", job_config=config, job_id="cut", retry=None)

    def kill() -> None:
        while not is_running("cut"):
            time.sleep(0.01)
        server.kill()

    def is_running(job_id: str) -> bool:
        found = httpx.get(f"{server.url}/bigquery/v2/projects/project/jobs/{job_id}")
        return found.is_success and found.json()["status"]["state"] == "RUNNING"

    (broken,) = run_at_once(load_big, kill)
    assert "Connection" in type(broken).__name__
    server.restart()
    assert counts(client) == {JANUARY: 3}
    assert client.get_job("cut").error_result["reason"] == "backendError"
