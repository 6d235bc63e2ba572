"""Months that look unlike the others, which is told and stops nothing."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from taxi_assets.catalog import DATASETS, dataset_named, disruption_between, published_rows
from taxi_assets.checks.quality import USUAL_RATIOS
from taxi_assets.month import Month
from taxi_assets.sample import write_month
from taxi_assets_tests.homes import REAL_FILES, Home

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


def odd_things(tmp_path: Path, source: Path, *months: str) -> str:
    home = Home(tmp_path / "home").with_its_server()
    for month in months:
        ran = home.taxi("run", "green", month, "--source", source.parent)
        assert ran.returncode == 0, ran.stdout
    return ran.stdout


def test_a_month_with_half_the_rows_of_its_neighbours_is_odd(tmp_path: Path, source: Path) -> None:
    publish(source, "2024-01", 400)
    publish(source, "2024-02", 200)
    odd = odd_things(tmp_path, source, "2024-01", "2024-02")
    assert "check rows_as_usual failed: 0.50 times the rows of the month before, 2024-01" in odd


def test_a_column_that_lost_its_values_is_odd(tmp_path: Path, source: Path) -> None:
    publish(source, "2024-01", 400)
    publish(source, "2024-02", 400, tip_amount=pa.nulls(400, pa.float64()))
    odd = odd_things(tmp_path, source, "2024-01", "2024-02")
    assert "check nulls_as_usual failed: tip_amount is missing in 100% of the rows" in odd


def test_a_code_that_nobody_has_explained_is_odd(tmp_path: Path, source: Path) -> None:
    publish(source, "2024-01", 300, payment_type=pa.array([42] * 300, pa.int64()))
    odd = odd_things(tmp_path, source, "2024-01")
    assert "check codes_known failed: payment_type 42 in " in odd


def test_a_quarantine_that_takes_more_than_a_twentieth_is_odd(tmp_path: Path, source: Path) -> None:
    publish(source, "2024-01", 300, trip_distance=pa.array([-1.0] * 30 + [1.0] * 270))
    assert "of the rows broke a rule" in odd_things(tmp_path, source, "2024-01")


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
