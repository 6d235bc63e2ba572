import json
from hashlib import sha256
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from taxi_assets.catalog import DATASETS, Dataset, dataset_named
from taxi_assets.month import Month
from taxi_assets.sample import expected_defects, write_month

from .reading import ERA_NAMES, ERAS, source_rows

GREEN, YELLOW = dataset_named("green"), dataset_named("yellow")
ROWS = 500
VERSION_2 = "6bfb99925d35f24930a1a26fd4640c3d1da9b4971358a4041717c666772bb454"


@pytest.mark.parametrize(("dataset", "month"), ERAS, ids=ERA_NAMES)
def test_a_file_has_the_names_and_types_of_its_era_in_order(dataset: Dataset, month: Month, tmp_path: Path) -> None:
    write_month(dataset, month, tmp_path / "month.parquet", rows=ROWS)
    schema = pq.read_schema(tmp_path / "month.parquet")
    assert [(field.name, field.type) for field in schema] == [
        (field.source, field.physical) for field in dataset.era(month).fields
    ]


@pytest.mark.parametrize("dataset", DATASETS, ids=lambda dataset: dataset.name)
def test_the_same_month_has_the_same_bytes_every_time(dataset: Dataset, tmp_path: Path) -> None:
    for name in ("once", "again"):
        write_month(dataset, dataset.first_month, tmp_path / name, rows=ROWS)
    assert (tmp_path / "once").read_bytes() == (tmp_path / "again").read_bytes()


def test_the_sample_is_the_one_that_its_version_stands_for(tmp_path: Path) -> None:
    # Where this fails the sample has changed: raise the version in taxi_assets/sample/source.py, so that whoever keeps
    # an etag notices, and put the new digest here. It is the same with any version of pyarrow and numpy.
    digest = sha256()
    for dataset, month in [*((dataset, Month(2024, 1)) for dataset in DATASETS), (YELLOW, Month(2009, 1))]:
        write_month(dataset, month, tmp_path / "month.parquet", rows=ROWS)
        digest.update(json.dumps(source_rows(tmp_path / "month.parquet"), default=str).encode())
    assert digest.hexdigest() == VERSION_2


def test_months_and_datasets_differ(tmp_path: Path) -> None:
    fares = set()
    for dataset, month in ((GREEN, Month(2024, 1)), (GREEN, Month(2024, 2)), (YELLOW, Month(2024, 1))):
        write_month(dataset, month, tmp_path / "month.parquet", rows=ROWS)
        fares.add(tuple(pq.read_table(tmp_path / "month.parquet")["fare_amount"].to_pylist()))
    assert len(fares) == 3


def test_a_pandas_index_counts_the_rows(tmp_path: Path) -> None:
    write_month(YELLOW, Month(2010, 2), tmp_path / "month.parquet", rows=ROWS)
    assert pq.read_table(tmp_path / "month.parquet")["__index_level_0__"].to_pylist() == list(range(ROWS))


@pytest.fixture(scope="module")
def large_month(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("large") / "month.parquet"
    write_month(GREEN, Month(2024, 1), path, rows=300_000)
    return path


def test_a_large_month_is_written_in_row_groups(large_month: Path) -> None:
    metadata = pq.read_metadata(large_month)
    assert [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)] == [
        131_072,
        131_072,
        37_856,
    ]


def test_duplicates_and_refunds_find_their_trips_across_row_groups(large_month: Path) -> None:
    expected = expected_defects(GREEN, Month(2024, 1), rows=300_000)
    trips = duckdb.read_parquet(str(large_month))
    same = "VendorID, lpep_pickup_datetime, lpep_dropoff_datetime, PULocationID, DOLocationID"
    pairs = trips.aggregate(f"{same}, abs(total_amount), count(DISTINCT total_amount) AS totals").filter("totals = 2")
    assert len(trips) - len(trips.distinct()) == expected["duplicate"]
    assert len(pairs) == expected["negative_amount"] == expected["voided_trip"]


def test_no_two_trips_of_a_large_month_are_the_same(large_month: Path) -> None:
    trips = duckdb.read_parquet(str(large_month)).filter("lpep_dropoff_datetime IS NOT NULL AND total_amount > 0")
    times = trips.project("lpep_pickup_datetime, lpep_dropoff_datetime").distinct()
    assert len(times) == len(trips.distinct())
