import io
import re
from collections.abc import Callable
from datetime import time
from functools import partial
from pathlib import Path
from typing import ClassVar

import grpc
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery as google_bigquery
from google.cloud.bigquery_storage import BigQueryReadClient
from google.cloud.bigquery_storage_v1.services.big_query_read.transports import BigQueryReadGrpcTransport

from taxi_assets.catalog import dataset_named
from taxi_assets.errors import InvalidRequest, SchemaMismatch, StoreError
from taxi_assets.month import Month
from taxi_assets.stores.base import TableSlice
from taxi_assets.stores.bigquery import reading
from taxi_assets.stores.bigquery.client import open_client
from taxi_assets.stores.bigquery.empty_partitions import line_of
from taxi_assets.stores.bigquery.store import BigQueryStore
from taxi_assets.stores.lake.gcs.client import open_client as open_gcs
from taxi_assets.stores.lake.gcs.store import GCSLake
from taxi_assets.stores.rows import Rows
from taxi_assets_tests.servers.bigquery import BigQueryServer, Request
from taxi_assets_tests.servers.gcs import new_bucket

from .contract import FEBRUARY, JANUARY, MONTH_COLUMN, TYPICAL, TableContract, assert_same, fares, numbered
from .partition_contract import KINDS, readings
from .versions import FEW, entry_of, few_rows_of, rows_of, version_of

PROJECT = "project"
TRIPS = TableSlice("trips", JANUARY)


def store_in(
    dataset: str,
    key_column: str = MONTH_COLUMN,
    *,
    location: str | None = None,
    require_partition_filter: bool = False,
) -> BigQueryStore:
    return BigQueryStore(
        partial(open_client, PROJECT, location),
        PROJECT,
        dataset,
        key_column,
        location=location,
        require_partition_filter=require_partition_filter,
        patience=20,
    )


@pytest.fixture
def dataset(tmp_path: Path) -> str:
    """A dataset of the test's own; not there yet."""
    return re.sub(r"\W", "_", tmp_path.name)


@pytest.fixture
def store(bigquery: BigQueryServer, dataset: str) -> BigQueryStore:
    return store_in(dataset, location="US")


@pytest.fixture
def client(bigquery: BigQueryServer) -> google_bigquery.Client:
    """Google's own client."""
    return google_bigquery.Client(PROJECT, credentials=AnonymousCredentials())


@pytest.fixture
def lake(bigquery: BigQueryServer, tmp_path: Path) -> GCSLake:
    """A lake in a bucket that BigQuery can load from."""
    bucket = new_bucket()
    return GCSLake(open_gcs, bucket.name, "lake", tmp_path / "scratch", patience=20)


@pytest.fixture
def sent(bigquery: BigQueryServer, dataset: str) -> Callable[[], list[Request]]:
    """The requests so far that made load jobs into the dataset."""

    def sent() -> list[Request]:
        loads = (request for request in bigquery.requests() if request.method == "POST" and "/jobs" in request.path)
        return [request for request in loads if f"'datasetId': '{dataset}'" in str(load_of(request))]

    return sent


def load_of(request: Request) -> dict:
    return request.body.get("configuration", {}).get("load", {})


class TestBigQuery(TableContract):
    as_text = frozenset({"uuid", "list", "list of text", "empty lists", "struct", "list of structs"})
    not_widened = frozenset({"int to double", "date to timestamp"})
    refused = frozenset({"names", "quarters of an hour"})
    # All whole numbers are INT64.
    wider: ClassVar[dict[pa.DataType, pa.DataType]] = {pa.int16(): pa.int64(), pa.int32(): pa.int64()}
    frame_types: ClassVar[dict[str, pa.DataType]] = {
        name: pa.int64() if name == "vendor" else kind
        for name, kind in TableContract.frame_types.items()
        if name != "nothing"
    }

    no_type = (pa.nulls(2), pa.nulls(0))

    @pytest.fixture
    def store(self, store: BigQueryStore) -> BigQueryStore:
        return store

    def test_a_column_of_nulls_without_a_type_is_taken(self, store: BigQueryStore) -> None:
        """It is left out: a column's type could not be changed later."""
        for _ in range(2):
            self.put(store, JANUARY, numbered(nothing=pa.nulls(2)))
        assert self.found(store, JANUARY).column_names == ["row"]

    def test_a_column_that_got_a_type_without_a_value_is_refused_with_the_statement_that_helps(
        self, store: BigQueryStore, client: google_bigquery.Client
    ) -> None:
        self.put(store, JANUARY, numbered(note=pa.nulls(1, pa.float64())))
        with pytest.raises(SchemaMismatch, match=r"note is FLOAT64 .* TIME .*drop it \((.*)\), and mat") as caught:
            self.put(store, FEBRUARY, numbered(note=pa.array([time(12)])))
        client.query_and_wait(re.search(r"\((ALTER .*)\)", str(caught.value))[1])
        self.put(store, FEBRUARY, numbered(note=pa.array([time(12)])))
        assert self.found(store)["note"].to_pylist() == [None, time(12)]

    def test_names_need_no_care(self, store: BigQueryStore) -> None:
        """They do here: BigQuery takes few, and the others are named before anything is written."""
        with pytest.raises(SchemaMismatch, match=r"does not take the names 'my \"trips\"', 'fare;'$"):
            store.replace(TableSlice('my "trips"', JANUARY), Rows.from_table(pa.table({"fare;": [1.0], "tip": [2.0]})))
        with pytest.raises(SchemaMismatch, match="upper and lower case"):
            store.replace(TRIPS, Rows.from_table(pa.table({"fare": [1.0], "Fare": [2.0]})))
        assert store.months("trips") == []

    @pytest.mark.slow
    def test_many_batches_keep_every_value(
        self, store: BigQueryStore, bigquery: BigQueryServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Through the Storage Read API, as from the real service: a million rows take a minute and a half in pages."""
        monkeypatch.setattr(reading, "open_read_client", lambda: read_client(bigquery))
        super().test_many_batches_keep_every_value(store)


# Tables


def test_a_table_is_partitioned_clustered_labelled_and_described(
    store: BigQueryStore, client: google_bigquery.Client, dataset: str
) -> None:
    schema = dataset_named("green").schema
    store.replace(TableSlice("green_trips", Month(2024, 1)), Rows.from_table(schema.empty_table()))
    table = client.get_table(f"{PROJECT}.{dataset}.green_trips")
    assert (table.time_partitioning.type_, table.time_partitioning.field) == ("MONTH", "source_month")
    assert table.clustering_fields == ["pickup_datetime", "pickup_location_id"]
    assert (table.labels["source"], table.labels["dataset"]) == ("nyc-tlc", "green")
    assert table.description == dataset_named("green").description
    columns = {column.name: column for column in table.schema}
    assert columns["pickup_datetime"].field_type == "DATETIME"
    assert columns["trip_distance"].field_type in ("FLOAT", "FLOAT64")
    assert "1 = credit card" in columns["payment_type"].description
    assert columns["source_row"].mode == "REQUIRED"


def test_a_dataset_is_made_where_it_is_asked_for(
    bigquery: BigQueryServer, client: google_bigquery.Client, dataset: str
) -> None:
    store = store_in(dataset, location="EU")
    store.replace(TRIPS, Rows.from_table(fares(1.0)))
    assert client.get_dataset(dataset).location == "EU"


def test_a_dataset_elsewhere_is_told_and_left_alone(
    store: BigQueryStore, bigquery: BigQueryServer, dataset: str
) -> None:
    store.replace(TRIPS, Rows.from_table(fares(1.0)))
    elsewhere = store_in(dataset, location="EU")
    with pytest.raises(InvalidRequest, match="is in US, not in EU"):
        elsewhere.replace(TRIPS, Rows.from_table(fares(2.0)))
    assert store.read("trips").to_table()["fare"].to_pylist() == [1.0]


def test_queries_may_have_to_say_which_months_they_mean(
    bigquery: BigQueryServer, client: google_bigquery.Client, dataset: str
) -> None:
    store = store_in(dataset, require_partition_filter=True)
    store.replace(TRIPS, Rows.from_table(fares(1.0)))
    assert client.get_table(f"{dataset}.trips").require_partition_filter
    assert (store.count(TRIPS), store.count(TableSlice("trips")), store.read("trips").to_table().num_rows) == (1, 1, 1)


def test_a_new_description_reaches_a_table_that_exists(
    store: BigQueryStore, client: google_bigquery.Client, dataset: str
) -> None:
    for text in ("In dollars.", "In dollars, without tips."):
        fare = pa.field("fare", pa.float64(), metadata={"description": text})
        store.replace(TRIPS, Rows.from_table(fares(1.0).cast(pa.schema([pa.field("row", pa.int64()), fare]))))
        assert client.get_table(f"{dataset}.trips").schema[1].description == text


@pytest.mark.parametrize("kind", ["names", "quarters of an hour"])
def test_a_partition_that_bigquery_does_not_have_is_refused(store: BigQueryStore, kind: str) -> None:
    partition, _ = KINDS[kind]
    with pytest.raises(SchemaMismatch, match=r"BigQuery has no partition for .* (Postgres|DuckDB)"):
        store.replace(TableSlice("weather", partition), readings(1.0))
    assert store.keys("weather") == []


def test_a_table_that_somebody_else_partitioned_otherwise_is_left_alone(store: BigQueryStore, dataset: str) -> None:
    store_in(dataset, "month").replace(TRIPS, Rows.from_table(fares(1.0)))
    with pytest.raises(
        SchemaMismatch,
        match="holds partitions by MONTH of month, and the asset has partitions by MONTH of source_month",
    ):
        store.replace(TRIPS, Rows.from_table(fares(2.0)))
    assert store.read("trips").to_table()["fare"].to_pylist() == [1.0]


# Loads


def test_rows_in_a_bucket_are_loaded_by_reference(
    store: BigQueryStore, lake: GCSLake, sent: Callable[[], list[Request]], dataset: str
) -> None:
    lake.replace(TableSlice("clean/trips", JANUARY), rows_with_month(1))
    store.replace(TRIPS, lake.read("clean/trips", [JANUARY]))
    [request] = sent()
    load = load_of(request)
    [name] = lake.read("clean/trips", [JANUARY]).objects
    assert load["sourceUris"] == [name.partition("#")[0]]
    assert load["destinationTable"] == {"projectId": PROJECT, "datasetId": dataset, "tableId": "trips$202401"}
    assert (load["writeDisposition"], load["createDisposition"]) == ("WRITE_TRUNCATE", "CREATE_NEVER")
    assert load["sourceFormat"] == "PARQUET"
    assert not request.path.startswith("/upload")
    assert version_of(store, TRIPS, FEW) == 1


def test_rows_from_elsewhere_are_uploaded_in_one_job(store: BigQueryStore, sent: Callable[[], list[Request]]) -> None:
    store.replace(TRIPS, few_rows_of(1))
    [request] = sent()
    assert request.path.startswith("/upload")
    assert load_of(request)["destinationTable"]["tableId"] == "trips$202401"


def test_every_load_is_a_job_of_its_own_even_of_the_same_rows(
    store: BigQueryStore, sent: Callable[[], list[Request]], client: google_bigquery.Client, dataset: str
) -> None:
    """Somebody may have changed the table by hand since."""
    for _ in range(3):
        store.replace(TRIPS, Rows.from_table(TYPICAL))
    identifiers = [request.body["jobReference"]["jobId"] for request in sent()]
    assert len(set(identifiers)) == 3
    assert all(re.fullmatch(rf"taxi_{PROJECT}_{dataset}_trips_202401_[0-9a-f]{{24}}_\d", one) for one in identifiers)


def test_a_job_that_is_there_already_is_waited_for_instead_of_made_again(
    store: BigQueryStore, sent: Callable[[], list[Request]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after an answer that was lost: the same job is asked for twice."""
    load = google_bigquery.Client.load_table_from_file

    def load_twice(self: google_bigquery.Client, file: object, *args: object, **options: object) -> object:
        load(self, file, *args, **options)
        file.seek(0)
        return load(self, file, *args, **options)

    monkeypatch.setattr(google_bigquery.Client, "load_table_from_file", load_twice)
    assert store.replace(TRIPS, few_rows_of(1)).rows == FEW
    assert version_of(store, TRIPS, FEW) == 1
    assert len({request.body["jobReference"]["jobId"] for request in sent()}) == 1


def test_the_audit_line_is_one_small_request(store: BigQueryStore, sent: Callable[[], list[Request]]) -> None:
    for version in (1, 2):
        store.replace(TRIPS, few_rows_of(version), entry_of(version))
    lines = [one for one in sent() if load_of(one)["destinationTable"]["tableId"] == "load_audit"]
    assert len(lines) == 2
    for request in lines:
        assert request.path.startswith("/upload")
        assert request.body_bytes < 20_000
        assert load_of(request)["writeDisposition"] == "WRITE_APPEND"


def test_a_line_whose_answer_is_lost_is_not_written_twice(
    store: BigQueryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = google_bigquery.Client.load_table_from_file

    def load_twice(self: google_bigquery.Client, file: object, *args: object, **options: object) -> object:
        load(self, file, *args, **options)
        file.seek(0)
        return load(self, file, *args, **options)

    monkeypatch.setattr(google_bigquery.Client, "load_table_from_file", load_twice)
    store.replace(TRIPS, few_rows_of(1), entry_of(1))
    assert store.count(TableSlice("load_audit")) == 1


def test_an_object_that_is_gone_fails_the_load_and_leaves_the_month(store: BigQueryStore, lake: GCSLake) -> None:
    lake.replace(TableSlice("clean/trips", JANUARY), rows_with_month(1))
    rows = lake.read("clean/trips", [JANUARY])
    store.replace(TRIPS, rows)
    gone = Rows(rows.schema, rows.batches, objects=("gs://nobody-made-this/trips.parquet#1",))
    with pytest.raises(StoreError, match=r"trips\.parquet|nobody-made-this"):
        store.replace(TRIPS, gone)
    assert version_of(store, TRIPS, FEW) == 1


def test_a_load_tells_what_a_query_of_the_month_is_billed_for(store: BigQueryStore) -> None:
    assert store.replace(TRIPS, Rows.from_table(TYPICAL)).scan_bytes is not None


def test_values_come_the_same_by_the_storage_read_api(
    store: BigQueryStore, bigquery: BigQueryServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.replace(TRIPS, Rows.from_table(TYPICAL))
    in_pages = store.read("trips").to_table().sort_by("row")
    monkeypatch.setattr(reading, "open_read_client", lambda: read_client(bigquery))
    assert_same(store.read("trips").to_table().sort_by("row"), in_pages)


def test_rows_are_read_in_pages(store: BigQueryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.replace(TRIPS, rows_of(1, rows=2_500))
    monkeypatch.setattr(reading, "_PAGE_ROWS", 1_000)
    assert [batch.num_rows for batch in store.read("trips").batches()] == [1_000, 1_000, 500]


def test_a_column_that_cannot_be_read_is_named(
    store: BigQueryStore, client: google_bigquery.Client, dataset: str
) -> None:
    store.replace(TRIPS, Rows.from_table(fares(1.0)))
    table = client.get_table(f"{dataset}.trips")
    table.schema = [*table.schema, google_bigquery.SchemaField("place", "GEOGRAPHY")]
    client.update_table(table, ["schema"])
    with pytest.raises(SchemaMismatch, match="column place has type NULLABLE GEOGRAPHY"):
        store.read("trips")


def test_missing_credentials_are_told_with_the_command_that_makes_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BIGQUERY_EMULATOR_HOST", raising=False)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "missing.json"))
    with pytest.raises(StoreError, match="gcloud auth application-default login"):
        store_in("taxi").count(TRIPS)


def test_a_month_that_was_loaded_empty_is_told_from_one_with_rows_again(store: BigQueryStore) -> None:
    for month in (JANUARY, FEBRUARY):
        store.replace(TableSlice("trips", month), Rows.from_table(TYPICAL.schema.empty_table()))
    store.replace(TRIPS, Rows.from_table(TYPICAL))
    assert store.months("trips") == [JANUARY, FEBRUARY]
    assert_same(
        store.read("trips", [FEBRUARY]).to_table().select(["fare"]), TYPICAL.schema.empty_table().select(["fare"])
    )


def test_more_months_are_loaded_empty_than_a_table_has_labels(
    store: BigQueryStore, client: google_bigquery.Client, dataset: str
) -> None:
    """A table has 64 labels at most. The months in the middle are noted at once, which saves a minute of loads."""
    months = list(Month(2010, 1).until(Month(2010, 1).plus(99)))
    nothing = Rows.from_table(TYPICAL.schema.empty_table())
    store.replace(TableSlice("trips", months[0]), nothing)
    table = client.get_table(f"{dataset}.trips")
    note(client, dataset, pa.concat_tables(line_of(table, month).to_table() for month in months[1:-1]))
    store.replace(TableSlice("trips", months[-1]), nothing)
    assert store.months("trips") == months
    assert client.get_table(f"{dataset}.trips").labels == {}
    assert store.read("trips", months[:3]).to_table().num_rows == 0


def test_months_that_a_label_calls_empty_are_there(
    store: BigQueryStore, client: google_bigquery.Client, dataset: str
) -> None:
    """As earlier versions noted them."""
    store.replace(TRIPS, Rows.from_table(TYPICAL))
    table = client.get_table(f"{dataset}.trips")
    table.labels = {"empty_2024-02": "", "empty_2024-01": ""}
    client.update_table(table, ["labels"])
    assert store.months("trips") == [JANUARY, FEBRUARY]


def test_a_table_made_again_knows_nothing_of_the_empty_months_of_the_one_before(
    store: BigQueryStore, client: google_bigquery.Client, dataset: str
) -> None:
    store.replace(TRIPS, Rows.from_table(TYPICAL.schema.empty_table()))
    client.delete_table(f"{dataset}.trips")
    store.replace(TableSlice("trips", FEBRUARY), Rows.from_table(TYPICAL.schema.empty_table()))
    assert store.months("trips") == [FEBRUARY]


def test_a_month_that_is_loaded_empty_takes_one_more_load_and_one_with_rows_none(
    store: BigQueryStore, sent: Callable[[], list[Request]]
) -> None:
    store.replace(TRIPS, Rows.from_table(TYPICAL.schema.empty_table()))
    store.replace(TRIPS, Rows.from_table(TYPICAL))
    tables = [load_of(one)["destinationTable"]["tableId"] for one in sent()]
    assert tables == ["trips$202401", "loaded_empty_months", "trips$202401"]


@pytest.mark.parametrize("name", ["_PARTITIONTIME", "_table_suffix", "__ROOT__x", "_File_Name"])
def test_names_that_bigquery_keeps_for_itself_are_refused(store: BigQueryStore, name: str) -> None:
    with pytest.raises(SchemaMismatch, match=f"does not take the names '{name}'"):
        store.replace(TRIPS, Rows.from_table(pa.table({"row": [1], name: [2.0]})))


def test_a_name_that_the_table_has_in_other_letters_is_refused(store: BigQueryStore) -> None:
    store.replace(TRIPS, Rows.from_table(fares(1.0)))
    with pytest.raises(SchemaMismatch, match="upper and lower case only: Fare and fare"):
        store.replace(TRIPS, Rows.from_table(pa.table({"row": [1], "Fare": [2.0]})))


def note(client: google_bigquery.Client, dataset: str, lines: pa.Table) -> None:
    """Add lines to the table of months that were loaded empty."""
    config = google_bigquery.LoadJobConfig(source_format="PARQUET", write_disposition="WRITE_APPEND")
    with io.BytesIO() as file:
        pq.write_table(lines, file)
        file.seek(0)
        client.load_table_from_file(file, f"{PROJECT}.{dataset}.{'loaded_empty_months'}", job_config=config).result()


def read_client(bigquery: BigQueryServer) -> BigQueryReadClient:
    """The client of the Storage Read API, which an emulator's address has to be told to."""
    channel = grpc.insecure_channel(bigquery.grpc_address, options=[("grpc.max_receive_message_length", -1)])
    return BigQueryReadClient(transport=BigQueryReadGrpcTransport(channel=channel))


def rows_with_month(version: int) -> Rows:
    """As cleaning makes them: with the month in a column."""
    table = few_rows_of(version).to_table()
    months = pa.repeat(pa.scalar(JANUARY.first_day), table.num_rows)
    return Rows.from_table(table.append_column(MONTH_COLUMN, months))
