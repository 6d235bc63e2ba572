"""The figures against a plain count in Python."""

import statistics
from collections import Counter
from typing import Any

import pytest

from taxi_assets.catalog import DATASETS, Dataset, dataset_named
from taxi_assets.month import Month
from taxi_assets.report.figures import Histogram, month_figures, rejected_examples, trips_by_day
from taxi_assets.stores.rows import Rows

from .conftest import JANUARY
from .lakes import Months

GREEN = dataset_named("green")


def plain_rows(months: Months, dataset: Dataset) -> list[dict[str, Any]]:
    return months.clean(dataset, JANUARY).to_table().to_pylist()


def charged(dataset: Dataset, row: dict[str, Any]) -> float | None:
    first, *others = (row[name] for name in dataset.charge_columns)
    return None if first is None else first + sum(one or 0 for one in others)


def seconds(row: dict[str, Any]) -> float | None:
    end = row["dropoff_datetime"]
    return None if end is None else (end - row["pickup_datetime"]).total_seconds()


@pytest.mark.parametrize("dataset", DATASETS, ids=lambda dataset: dataset.name)
def test_the_figures_of_a_sample_month_are_those_of_a_plain_count(months: Months, dataset: Dataset) -> None:
    rows = plain_rows(months, dataset)
    figures = month_figures(months.clean(dataset, JANUARY), dataset, JANUARY, months.folder)
    assert figures.trips == len(rows)
    inside = [row["pickup_datetime"] for row in rows if Month.of(row["pickup_datetime"]) == JANUARY]
    assert figures.hours == Counter((pickup.date(), pickup.hour) for pickup in inside)
    assert figures.days == Counter(pickup.date() for pickup in inside)
    durations = [took for row in rows if (took := seconds(row)) is not None]
    assert figures.duration is not None
    assert figures.duration.median == pytest.approx(statistics.median(durations) / 60)
    assert figures.zones == Counter(zone for row in rows if (zone := row["pickup_location_id"]) is not None)
    assert list(figures.zones.values()) == sorted(figures.zones.values(), reverse=True)


@pytest.mark.parametrize("name", ["yellow", "green", "fhvhv"])
def test_amounts_and_distances_are_those_of_a_plain_count(months: Months, name: str) -> None:
    dataset = dataset_named(name)
    rows = plain_rows(months, dataset)
    figures = month_figures(months.clean(dataset, JANUARY), dataset, JANUARY, months.folder)
    amounts = [amount for row in rows if (amount := charged(dataset, row)) is not None]
    miles = [row[dataset.distance] for row in rows if row[dataset.distance] is not None]
    assert figures.revenue == pytest.approx(sum(amounts))
    assert figures.miles == pytest.approx(sum(miles))
    assert figures.amount is not None
    assert figures.distance is not None
    assert figures.amount.median == pytest.approx(statistics.median(amounts), abs=0.006)
    assert figures.distance.median == pytest.approx(statistics.median(miles), abs=0.006)


def test_a_dataset_without_amounts_has_none(months: Months) -> None:
    fhv = dataset_named("fhv")
    figures = month_figures(months.clean(fhv, JANUARY), fhv, JANUARY, months.folder)
    assert (figures.revenue, figures.miles, figures.distance, figures.amount) == (None, None, None, None)
    assert figures.payments == {}


def test_kinds_of_payment_are_counted_with_those_that_are_not_recorded(months: Months) -> None:
    figures = month_figures(months.clean(GREEN, JANUARY), GREEN, JANUARY, months.folder)
    assert figures.payments == Counter(row["payment_type"] for row in plain_rows(months, GREEN))
    assert None in figures.payments


def test_rows_that_are_not_in_files_give_the_same(months: Months) -> None:
    rows = months.clean(GREEN, JANUARY)
    stream = Rows(rows.schema, rows.batches)
    assert stream.files == ()
    assert month_figures(stream, GREEN, JANUARY, months.folder) == month_figures(rows, GREEN, JANUARY, months.folder)
    assert trips_by_day(stream, JANUARY, months.folder) == trips_by_day(rows, JANUARY, months.folder)


def test_only_the_days_of_the_month_are_counted_by_day(months: Months) -> None:
    rows = plain_rows(months, GREEN)
    assert any(Month.of(row["pickup_datetime"]) != JANUARY for row in rows)
    days = trips_by_day(months.clean(GREEN, JANUARY), JANUARY, months.folder)
    assert {Month.of(day) for day in days} == {JANUARY}


def test_examples_are_the_first_rows_of_each_rule_as_tlc_published_them(months: Months) -> None:
    quarantine = months.lake.read("green/quarantined_trips", [JANUARY])
    examples = rejected_examples(quarantine, months.folder)
    rows = quarantine.to_table().to_pylist()
    assert set(examples) == {row["rule"] for row in rows}
    for rule, found in examples.items():
        broken = [row["source_row"] for row in rows if row["rule"] == rule]
        assert [one.source_row for one in found] == broken[:3]
    [first, *_] = examples["negative_amount"]
    assert float(first.values["total_amount"]) < 0
    assert "rules" not in first.values


@pytest.mark.parametrize(
    ("counts", "median"), [({3: 1}, 3), ({1: 1, 2: 1}, 1.5), ({1: 2, 5: 1}, 1), ({0: 1, 4: 1, 9: 1}, 4)]
)
def test_half_of_the_trips_lie_below_the_median(counts: dict[int, int], median: float) -> None:
    assert Histogram(1, counts).median == median
    assert Histogram(0.5, counts).median == median / 2
