"""TLC's own files, where they are on the machine: how many rows stay, and which."""

from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from taxi_assets.catalog import DEFAULT_RULES, Dataset, dataset_named
from taxi_assets.month import Month

from .agreement import assert_cleaning_agrees_with_the_reference
from .months import outcome_of

CLEAN_ROWS = {
    "green 2022-01": 62_018,
    "green 2022-02": 68_911,
    "green 2022-03": 78_033,
    "green 2023-01": 67_820,
    "green 2023-02": 64_372,
    "yellow 2009-01": 13_912,
    "yellow 2010-02": 11_137,
    "yellow 2018-12": 9_994,
    "yellow 2019-06": 9_985,
    "yellow 2019-07": 9_980,
    "yellow 2025-01": 10_000,
    "fhv 2020-04": 500,
    "fhvhv 2020-04": 500,
}
# The reference takes a second for 20,000 rows: one green month is enough.
COMPARED = [name for name in CLEAN_ROWS if not name.startswith("green") or name == "green 2022-01"]


@pytest.fixture
def real(request: pytest.FixtureRequest, tlc: Path, tmp_path: Path) -> tuple[Path, Dataset, Month]:
    """The month's file, from a folder in which one may write, its dataset and its month."""
    name, month = request.param.split()
    dataset = dataset_named(name)
    path = tmp_path / dataset.file_name(Month.parse(month))
    path.symlink_to(tlc / "trip-data" / path.name)
    return path, dataset, Month.parse(month)


@pytest.mark.parametrize(("real", "rows"), CLEAN_ROWS.items(), ids=CLEAN_ROWS, indirect=["real"])
def test_as_many_rows_stay_as_were_counted(real: tuple[Path, Dataset, Month], rows: int) -> None:
    path, dataset, month = real
    outcome = outcome_of(path, dataset, month)
    assert outcome.clean.num_rows == rows
    assert outcome.clean.num_rows + outcome.quarantine.num_rows == pq.read_metadata(path).num_rows
    assert (outcome.unknown_columns, outcome.missing_columns) == ((), ())


@pytest.mark.slow
@pytest.mark.parametrize("real", COMPARED, indirect=True)
def test_every_row_goes_where_the_reference_says(real: tuple[Path, Dataset, Month]) -> None:
    assert_cleaning_agrees_with_the_reference(*real, DEFAULT_RULES)


@pytest.mark.parametrize("real", ["green 2022-01"], indirect=True)
def test_the_courses_rules_keep_the_rows_that_the_courses_filter_keeps(real: tuple[Path, Dataset, Month]) -> None:
    path, dataset, month = real
    kept = pq.read_table(path, filters=(pc.field("passenger_count") > 0) & (pc.field("trip_distance") > 0))
    clean = outcome_of(path, dataset, month, ["no_passengers", "no_distance"]).clean
    for name, source in (("pickup_datetime", "lpep_pickup_datetime"), ("total_amount", "total_amount")):
        assert clean[name] == kept[source]
