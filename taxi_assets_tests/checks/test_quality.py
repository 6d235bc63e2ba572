"""Months that look unlike the others, which is told and stops nothing."""

from pathlib import Path

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from taxi_assets.automation.run_errors import failed_checks
from taxi_assets.catalog import DATASETS, Dataset, dataset_named, disruption_between, published_rows
from taxi_assets.checks.quality import USUAL_RATIOS
from taxi_assets.checks.quality import _File as File
from taxi_assets.checks.quality import _nulls_as_usual as nulls_as_usual
from taxi_assets.cleaning.unknown_codes import unknown_codes
from taxi_assets.month import Month
from taxi_assets.sample import write_month
from taxi_assets_tests.homes import LAKE_LAYERS, REAL_FILES, Home
from taxi_assets_tests.report.lakes import Months
from taxi_assets_tests.stores.servers import new_database

GREEN = dataset_named("green")
REFERENCE = REAL_FILES / "reference" / "published_files.csv"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source" / "trip-data"
    folder.mkdir(parents=True)
    return folder


def publish(source: Path, month: str, rows: int, **columns: pa.Array) -> None:
    path = source / GREEN.file_name(Month.parse(month))
    write_month(GREEN, Month.parse(month), path, rows=rows)
    table = pq.read_table(path)
    for name, values in columns.items():
        table = table.set_column(table.schema.get_field_index(name), name, values)
    pq.write_table(table, path)


@pytest.fixture
def home(tmp_path: Path, source: Path, postgres_url: str) -> Home:
    variables = {"TAXI_SOURCE": str(source.parent), "TAXI_POSTGRES": new_database(postgres_url)}
    return Home(tmp_path / "home", **variables)


def odd_things(home: Home, month: str) -> str:
    """What the checks say of the month, which is fetched and cleaned."""
    result = home.execute("green_trips_job", month, *(f"green/{layer}" for layer in LAKE_LAYERS))
    assert result.success
    return "\n".join(map(str, failed_checks(result.all_events, dg.AssetCheckSeverity.WARN)))


@pytest.mark.slow
def test_a_month_with_half_the_rows_of_its_neighbours_is_odd(home: Home, source: Path) -> None:
    publish(source, "2024-01", 400)
    publish(source, "2024-02", 200)
    odd_things(home, "2024-01")
    ran = home.taxi("run", "green", "2024-02")
    assert ran.returncode == 0, ran.stdout
    odd = ran.stdout
    assert (
        "check rows_as_usual failed: green 2024-02 in the lake: 0.50 times the rows of the month before, 2024-01" in odd
    )
    assert "If TLC has published another file: taxi run green 2024-02" in odd


def test_a_column_that_lost_its_values_is_odd(home: Home, source: Path) -> None:
    publish(source, "2024-01", 400)
    publish(source, "2024-02", 400, tip_amount=pa.nulls(400, pa.float64()))
    odd_things(home, "2024-01")
    odd = odd_things(home, "2024-02")
    assert "check nulls_as_usual failed: green 2024-02 in the lake: tip_amount is missing in 100% of the rows" in odd


def test_a_code_that_nobody_has_explained_is_odd(home: Home, source: Path) -> None:
    publish(source, "2024-01", 300, payment_type=pa.array([42] * 300, pa.int64()))
    odd = odd_things(home, "2024-01")
    assert "check codes_known failed: green 2024-01 in the lake: payment_type 42 in " in odd
    assert "add them to the catalogue: taxi_assets/catalog/green.py" in odd


def test_a_column_that_the_catalogue_does_not_know_is_odd(home: Home, source: Path) -> None:
    publish(source, "2024-01", 300)
    path = source / GREEN.file_name(Month(2024, 1))
    table = pq.read_table(path).drop_columns("ehail_fee").append_column("surge_fee", pa.nulls(300, pa.float64()))
    pq.write_table(table, path)
    odd = odd_things(home, "2024-01")
    assert (
        "check columns_known failed: green 2024-01 in the lake: the source file has columns that the catalogue lacks: "
        "surge_fee; the source file lacks columns of the catalogue: ehail_fee. If TLC has changed its columns, "
        "add an era to the catalogue"
    ) in odd
    assert "then: taxi run green 2024-01" in odd


def test_a_quarantine_that_takes_more_than_a_twentieth_is_odd(home: Home, source: Path) -> None:
    publish(source, "2024-01", 300, trip_distance=pa.array([-1.0] * 30 + [1.0] * 270))
    odd = odd_things(home, "2024-01")
    assert "of the rows broke a rule. The rows and their rules are in green/quarantined_trips" in odd
    assert "taxi explain green 2024-01 ROW" in odd


def usual_nulls(folder: Path, dataset: Dataset, month: str, other: str, **columns: pa.Array) -> str:
    """What `nulls_as_usual` finds odd in a month of the sample that lacks those values, compared with another one."""
    folder.mkdir(exist_ok=True)
    lake = Months(folder)
    for key, lost in ((other, {}), (month, columns)):
        path = folder / dataset.file_name(Month.parse(key))
        write_month(dataset, Month.parse(key), path, rows=300)
        table = pq.read_table(path)
        for name, values in lost.items():
            table = table.set_column(table.schema.get_field_index(name), name, values)
        pq.write_table(table, path)
        lake.load(dataset, Month.parse(key), path)
    file = File(lake.lake, dataset, Month.parse(month))
    return nulls_as_usual(file).result(dg.AssetCheckKey(dg.AssetKey("clean"), "nulls_as_usual"), file).description or ""


@pytest.mark.parametrize(
    ("name", "month", "other"),
    [
        ("yellow", "2025-01", "2024-12"),  # cbd_congestion_fee begins
        ("yellow", "2019-02", "2019-01"),  # congestion_surcharge is levied
        ("yellow", "2020-10", "2020-09"),  # airport_fee is without values for a month
        ("yellow", "2020-11", "2020-10"),
        ("green", "2019-09", "2019-08"),  # ehail_fee ends
        ("green", "2023-02", "2023-01"),
        ("fhvhv", "2019-04", "2019-03"),  # wav_match_flag begins
        ("fhv", "2023-02", "2023-01"),  # and sr_flag
    ],
)
def test_columns_that_begin_or_end_when_the_catalogue_says_so_are_no_news(
    tmp_path: Path, name: str, month: str, other: str
) -> None:
    assert usual_nulls(tmp_path, dataset_named(name), month, other) == ""


def test_columns_that_companies_leave_out_together_are_news_only_where_nearly_all_do(tmp_path: Path) -> None:
    def left_out(rows: int) -> pa.Array:
        return pa.array([1] * (300 - rows) + [None] * rows, pa.int64())

    assert usual_nulls(tmp_path / "some", GREEN, "2024-02", "2024-01", trip_type=left_out(120)) == ""
    assert "trip_type is missing in" in usual_nulls(
        tmp_path / "most", GREEN, "2024-02", "2024-01", trip_type=left_out(290)
    )


def test_the_vendors_of_real_months_are_known(tmp_path: Path) -> None:
    january = Month(2024, 1)
    path = tmp_path / GREEN.file_name(january)
    write_month(GREEN, january, path, rows=300)
    table = pq.read_table(path)
    vendors = pa.array([1 + number % 8 for number in range(300)], pa.int32())
    pq.write_table(table.set_column(0, "VendorID", vendors), path)
    lake = Months(tmp_path)
    lake.load(GREEN, january, path)
    assert set(unknown_codes(lake.clean(GREEN, january), GREEN)["vendor_id"]) == {"8"}


def test_months_on_both_sides_of_a_disruption_are_not_compared() -> None:
    fhv = dataset_named("fhv")
    assert disruption_between(fhv, Month(2019, 1), Month(2019, 3)) is not None
    assert disruption_between(GREEN, Month(2019, 1), Month(2019, 3)) is None
    assert disruption_between(GREEN, Month(2020, 4), Month(2020, 3)) is not None
    assert disruption_between(GREEN, Month(2022, 4), Month(2022, 3)) is None


@pytest.mark.parametrize("dataset", DATASETS, ids=lambda dataset: dataset.name)
def test_no_month_that_tlc_published_has_an_unusual_number_of_rows(dataset) -> None:
    """Each of them is real, so that a bound which calls one odd is too narrow."""
    for month in dataset.first_month.until(Month(2024, 5)):
        for months, lowest, highest in USUAL_RATIOS.values():
            other = month.plus(-months)
            if other >= dataset.first_month and disruption_between(dataset, month, other) is None:
                assert lowest <= published_rows(dataset, month) / published_rows(dataset, other) <= highest, month


@pytest.mark.skipif(not REFERENCE.exists(), reason="the list of TLC's files is not on this machine")
def test_the_rows_that_tlc_published_are_those_of_the_list_of_its_files() -> None:
    import csv

    with REFERENCE.open() as file:
        listed = {row["file_name"]: int(row["file_num_rows"]) for row in csv.DictReader(file)}
    known = {
        dataset.file_name(month): published_rows(dataset, month)
        for dataset in DATASETS
        for month in dataset.first_month.until(Month(2024, 5))
    }
    assert known == listed
