import base64
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import google_crc32c
import pyarrow as pa
import pytest
from google.cloud import storage

from taxi_assets.errors import InvalidRequest, SchemaMismatch, SliceMissing, StoreError
from taxi_assets.raw_file import RawFile, sha256_of
from taxi_assets.stores.base import TableSlice
from taxi_assets.stores.lake.gcs import objects
from taxi_assets.stores.lake.gcs.client import open_client
from taxi_assets.stores.lake.gcs.store import GCSLake
from taxi_assets.stores.rows import Rows
from taxi_assets_tests.servers.gcs import GcsServer, new_bucket

from .contract import FEBRUARY, JANUARY, StoreContract, assert_same, fares
from .test_lake import TestLake as LocalLakeContract
from .type_contract import LakeTypeContract
from .versions import rows_of, version_of

TRIPS = TableSlice("clean/trips", JANUARY)
TRIPS_OBJECT = "lake/clean/trips/month=2024-01/trips.parquet"
VERSIONS_OF_TRIPS = "lake/.versions/clean/trips/month=2024-01"
RAW = "raw/trips"


@pytest.fixture
def bucket(gcs: GcsServer, tmp_path: Path) -> storage.Bucket:
    """A bucket of the test's own, seen by Google's client."""
    return new_bucket()


@pytest.fixture
def lake(bucket: storage.Bucket, tmp_path: Path) -> GCSLake:
    return GCSLake(open_client, bucket.name, "lake", tmp_path / "scratch", patience=20)


@pytest.fixture
def fetched(tmp_path: Path) -> RawFile:
    """A file on its way into the lake."""
    path = tmp_path / "inbox" / "trips_2024-01.csv"
    path.parent.mkdir()
    path.write_bytes(b"first")
    return RawFile(path, "https://example.org/ü.csv", 5, sha256_of(path), rows=0, etag='"1"', last_modified="yesterday")


class TestGCSLake(LakeTypeContract, StoreContract):
    key_column = None

    table = "clean/trips"
    frame_types: ClassVar[dict[str, pa.DataType]] = LocalLakeContract.frame_types

    @pytest.fixture
    def store(self, lake: GCSLake) -> GCSLake:
        return lake


# Objects


def test_a_month_is_one_object_with_a_checksum(lake: GCSLake, bucket: storage.Bucket) -> None:
    for version in range(2):
        lake.replace(TRIPS, rows_of(version, rows=10))
    [blob] = bucket.list_blobs(prefix="lake/clean/")
    assert (blob.name, blob.metadata["rows"]) == (TRIPS_OBJECT, "10")
    checksum = google_crc32c.Checksum(blob.download_as_bytes())
    assert blob.crc32c == base64.b64encode(checksum.digest()).decode()
    assert lake.uri(TRIPS) == f"gs://{bucket.name}/{TRIPS_OBJECT}"


def test_a_large_month_goes_up_in_pieces(lake: GCSLake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "_UPLOAD_CHUNK", 256 << 10)
    monkeypatch.setattr(storage.blob, "_MAX_MULTIPART_SIZE", 256 << 10)  # below it Google's client sends all at once
    stored = lake.replace(TRIPS, rows_of(7, rows=200_000))
    assert stored.size is not None
    assert stored.size > 4 * (256 << 10)
    assert version_of(lake, TRIPS, rows=200_000) == 7


def test_rows_name_the_objects_and_generations_they_lie_in(lake: GCSLake, bucket: storage.Bucket) -> None:
    lake.replace(TRIPS, rows_of(1, rows=10))
    [blob] = bucket.list_blobs(prefix=f"{VERSIONS_OF_TRIPS}/files/")
    assert lake.read("clean/trips", [JANUARY]).objects == (f"gs://{bucket.name}/{blob.name}#{blob.generation}",)


def test_months_of_different_schemas_are_one_frame_and_no_reference(lake: GCSLake) -> None:
    lake.replace(TRIPS, Rows.from_table(fares(1.0)))
    lake.replace(TableSlice("clean/trips", FEBRUARY), Rows.from_table(pa.table({"row": [1], "fee": [0.75]})))
    rows = lake.read("clean/trips")
    assert rows.objects == ()
    assert rows.to_table().to_pydict() == {"row": [0, 1], "fare": [1.0, None], "fee": [None, 0.75]}


def test_months_that_have_no_schema_in_common_are_not_read_together(lake: GCSLake) -> None:
    lake.replace(TRIPS, Rows.from_table(pa.table({"zone": [132]})))
    lake.replace(TableSlice("clean/trips", FEBRUARY), Rows.from_table(pa.table({"zone": ["JFK"]})))
    with pytest.raises(SchemaMismatch, match=r"clean/trips do not fit together: .*zone"):
        lake.read("clean/trips")


def test_a_table_is_not_taken_for_another_whose_name_it_begins(lake: GCSLake) -> None:
    lake.replace(TableSlice("clean/trips_of_others", JANUARY), rows_of(1, rows=10))
    assert (lake.months("clean/trips"), lake.count(TRIPS)) == ([], 0)
    with pytest.raises(SliceMissing):
        lake.read("clean/trips")


@pytest.mark.parametrize(
    "name",
    [
        "lake/clean/trips/month=2024-02/",
        "lake/clean/trips/month=2024-02/trips.parquet.tmp",
        "lake/clean/trips/month=2024-02/trips.parquet/part-0",
        "lake/clean/trips/month=2024-02/part-0.parquet",
    ],
)
def test_an_object_that_only_resembles_a_month_is_none(lake: GCSLake, bucket: storage.Bucket, name: str) -> None:
    lake.replace(TRIPS, rows_of(1, rows=10))
    bucket.blob(name).upload_from_string(b"")
    assert lake.months("clean/trips") == [JANUARY]
    with pytest.raises(SliceMissing, match="2024-02"):
        lake.read("clean/trips", [FEBRUARY])


def test_the_first_rows_are_read_without_the_others(lake: GCSLake, monkeypatch: pytest.MonkeyPatch) -> None:
    lake.replace(TRIPS, rows_of(1, rows=300_000))
    monkeypatch.setattr(objects.Objects, "download", lambda *_: pytest.fail("the whole object was fetched"))
    assert lake.read("clean/trips", [JANUARY]).head(3)["row"].to_pylist() == [0, 1, 2]
    assert lake.count(TRIPS) == 300_000


def test_nothing_is_left_in_the_scratch_folder(lake: GCSLake, tmp_path: Path) -> None:
    lake.replace(TRIPS, rows_of(1))
    assert version_of(lake, TRIPS) == 1
    assert list((tmp_path / "scratch").iterdir()) == []


def test_what_is_wanted_as_a_file_is_brought_here_once(lake: GCSLake, monkeypatch: pytest.MonkeyPatch) -> None:
    lake.replace(TRIPS, rows_of(1, rows=10))
    rows = lake.read("clean/trips", [JANUARY])
    [file] = rows.local_files()
    monkeypatch.setattr(objects.Objects, "download", lambda *_: pytest.fail("it was fetched again"))
    assert rows.local_files() == (file,)
    assert rows.to_table() == Rows.from_parquet([Path(file)]).to_table()
    lake.replace(TRIPS, rows_of(2, rows=10))
    with pytest.raises(pytest.fail.Exception):
        lake.read("clean/trips", [JANUARY]).local_files()


def test_a_bucket_that_is_not_there_is_named_with_the_command_that_makes_it(gcs: GcsServer, tmp_path: Path) -> None:
    lake = GCSLake(open_client, "nobody-made-this", "lake", tmp_path, patience=4)
    with pytest.raises(StoreError, match="gcloud storage buckets create gs://nobody-made-this"):
        lake.replace(TRIPS, rows_of(1, rows=10))


def test_missing_credentials_are_told_with_the_command_that_makes_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "missing.json"))
    with pytest.raises(StoreError, match="gcloud auth application-default login"):
        GCSLake(open_client, "bucket", "", tmp_path).count(TRIPS)


# Writers at the same time, and answers that get lost


def test_an_answer_that_was_lost_is_no_reason_to_write_again(
    lake: GCSLake, bucket: storage.Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The upload is asked for once more under the generation that it has replaced itself meanwhile."""
    upload = storage.Blob.upload_from_filename

    def upload_twice(self: storage.Blob, *args: object, **options: object) -> None:
        upload(self, *args, **options)
        upload(self, *args, **options)

    monkeypatch.setattr(storage.Blob, "upload_from_filename", upload_twice)
    lake.replace(TRIPS, rows_of(1))
    assert version_of(lake, TRIPS) == 1
    monkeypatch.undo()
    assert bucket.get_blob(TRIPS_OBJECT).metageneration == 1


def test_a_writer_who_was_overtaken_writes_again(
    lake: GCSLake, bucket: storage.Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = storage.Blob.upload_from_filename
    others = [rows_of(8), rows_of(9)]

    def overtaken(self: storage.Blob, *args: object, **options: object) -> None:
        if others:
            monkeypatch.setattr(storage.Blob, "upload_from_filename", upload)
            lake.replace(TRIPS, others.pop())
            monkeypatch.setattr(storage.Blob, "upload_from_filename", overtaken)
        upload(self, *args, **options)

    monkeypatch.setattr(storage.Blob, "upload_from_filename", overtaken)
    lake.replace(TRIPS, rows_of(1))
    assert version_of(lake, TRIPS) == 1


# Files of the source


def test_a_file_keeps_its_bytes_its_name_and_its_origin(
    lake: GCSLake, bucket: storage.Bucket, fetched: RawFile, tmp_path: Path
) -> None:
    stored = lake.put_file(RAW, fetched)
    assert not fetched.path.exists()
    assert bucket.get_blob(f"lake/{RAW}/trips_2024-01.csv").download_as_bytes() == b"first"
    assert lake.get_file(RAW, "trips_2024-01.csv") == stored
    shutil.rmtree(tmp_path / "scratch")
    found = lake.get_file(RAW, "trips_2024-01.csv")
    assert (found, found.path.read_bytes()) == (stored, b"first")
    assert lake.file_uri(RAW, "trips_2024-01.csv") == f"gs://{bucket.name}/lake/{RAW}/trips_2024-01.csv"


def test_a_file_that_was_replaced_is_fetched_again(lake: GCSLake, bucket: storage.Bucket, fetched: RawFile) -> None:
    lake.put_file(RAW, fetched)
    bucket.blob(f"lake/{RAW}/trips_2024-01.csv").upload_from_string(b"by hand")
    found = lake.get_file(RAW, "trips_2024-01.csv")
    assert found.path.read_bytes() == b"by hand"
    assert (found.url, found.rows, found.etag) == (lake.file_uri(RAW, "trips_2024-01.csv"), None, None)


def test_a_file_that_is_not_there_is_named(lake: GCSLake) -> None:
    with pytest.raises(SliceMissing, match=r"raw/trips/trips_2024-02\.csv.*materialize"):
        lake.get_file(RAW, "trips_2024-02.csv")
    assert lake.file_rows(RAW, "trips_2024-02.parquet") == 0


def test_rows_of_a_parquet_file_are_counted(lake: GCSLake) -> None:
    lake.replace(TRIPS, rows_of(1, rows=10))
    assert lake.file_rows("clean/trips/month=2024-01", "trips.parquet") == 10


@pytest.mark.parametrize("table", ["../trips", "clean/../../trips", "/trips"])
@pytest.mark.parametrize(
    "use",
    [
        lambda lake, table: lake.replace(TableSlice(table, JANUARY), rows_of(1, rows=1)),
        lambda lake, table: lake.read(table),
        lambda lake, table: lake.months(table),
        lambda lake, table: lake.get_file(RAW, f"../../{table}"),
    ],
    ids=["replace", "read", "months", "file name"],
)
def test_nothing_leads_out_of_the_lake(lake: GCSLake, table: str, use: Callable[[GCSLake, str], object]) -> None:
    with pytest.raises(InvalidRequest, match="not a path inside the lake"):
        use(lake, table)


def test_a_lake_may_be_a_whole_bucket(bucket: storage.Bucket, tmp_path: Path) -> None:
    lake = GCSLake(open_client, bucket.name, "", tmp_path, patience=20)
    lake.replace(TRIPS, Rows.from_table(fares(1.0)))
    assert [blob.name for blob in bucket.list_blobs(prefix="clean")] == [TRIPS_OBJECT.removeprefix("lake/")]
    assert_same(lake.read("clean/trips").to_table(), fares(1.0))
