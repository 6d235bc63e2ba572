"""Pages of months that the rules do not hold back: whatever a rule set lets through can be drawn, and is counted."""

import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from taxi_assets.catalog import DATASETS, RULES, Dataset, dataset_named
from taxi_assets.cleaning import cleaned_month
from taxi_assets.month import Month
from taxi_assets.report import MonthReport, daily_trips, markdown, month_report, page
from taxi_assets.report.figures import Histogram
from taxi_assets.report.histogram_chart import histogram_chart
from taxi_assets.report.sections import Zones
from taxi_assets.stores.rows import Rows
from taxi_assets_tests.cleaning.generated import months, plausible_month
from taxi_assets_tests.cleaning.months import raw_file, written
from taxi_assets_tests.homes import REAL_FILES

from .lakes import Page
from .test_page import assert_whole

GREEN, YELLOW = dataset_named("green"), dataset_named("yellow")
HOMEWORK = ("no_passengers", "no_distance")
MONTH = Month(2024, 1)
BEGIN = datetime(2024, 1, 1)
NO_ZONES = Zones({}, None)
for_every_dataset = pytest.mark.parametrize("dataset", DATASETS, ids=lambda dataset: dataset.name)
few = settings(
    max_examples=12,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
    phases=[Phase.generate],
)
rule_sets = st.lists(st.sampled_from([rule.name for rule in RULES]), unique=True)

_AMOUNTS = (12.3, 0.0, -12.3, -0.004, 0.004, 500.0, 259_777.0, 1e9, -1e9, 1e17, 1e300, -1e300, 1.7e308, 5e-324, None)
_NUMBERS = (1, 0, -1, 74, 264, 265, 266, 32_767, -32_768, None)
_TIMES = (
    *(BEGIN + timedelta(hours=hours) for hours in (12, 12.2, 13, -1, 744, 745)),
    *(datetime(1, 1, 1), datetime(1969, 12, 31, 23), datetime(3019, 2, 1), datetime(9999, 12, 31, 23, 59, 59, 999_999)),
)


@st.composite
def clean_rows(draw: st.DrawFn, dataset: Dataset) -> pa.Table:
    """Rows with any values that a clean row can have when the rules against them are off."""
    pools = {field.name: _pool(field) for field in dataset.schema}
    rows = draw(
        st.lists(st.fixed_dictionaries({name: st.sampled_from(pool) for name, pool in pools.items()}), max_size=8)
    )
    return pa.Table.from_pylist(rows * draw(st.integers(1, 3)), schema=dataset.schema)


def _pool(field: pa.Field) -> Sequence[Any]:
    if field.name == "source_month":
        return (MONTH.first_day,)
    if pa.types.is_timestamp(field.type):
        return (*_TIMES, None)
    if pa.types.is_floating(field.type):
        return _AMOUNTS
    if pa.types.is_integer(field.type):
        return _NUMBERS if field.nullable else _NUMBERS[:1]
    return ("N", "", None)


def report_of(dataset: Dataset, month: Month, clean: Rows, quarantine: Rows, scratch: Path) -> MonthReport:
    return month_report(dataset, month, clean, quarantine, scratch, year_before=clean, zones=NO_ZONES)


def assert_drawn_and_counted(report: MonthReport, rows: Sequence[dict[str, Any]]) -> None:
    """The page is whole, its pictures are pictures, and no row is missing from a distribution."""
    drawn = report.charts
    assert_whole(Page.of(page(report, drawn)))
    assert markdown(drawn)
    for picture in drawn:
        for drawing in (picture.desktop, picture.phone):
            assert_has_finite_places(drawing.svg)
    dataset = report.dataset
    known = {
        "How far": sum(row[dataset.distance] is not None for row in rows) if dataset.distance else 0,
        "How long": sum(None not in (row["pickup_datetime"], row["dropoff_datetime"]) for row in rows),
        "How much": sum(row[dataset.charge_columns[0]] is not None for row in rows) if dataset.charge_columns else 0,
    }
    for title, expected in known.items():
        counted = [sum(bars(picture.desktop.svg)) for picture in drawn if picture.title == title]
        assert counted == ([expected] if expected else [])
    assert report.figures.trips == len(rows)
    within = [row for row in rows if row["pickup_datetime"] and Month.of(row["pickup_datetime"]) == report.month]
    assert sum(report.figures.days.values()) == len(within)


def bars(svg: str) -> Iterator[int]:
    """The trips of each bar, by the text that shows under the pointer."""
    for group in ET.fromstring(svg).iter("g"):  # noqa: S314 - our own
        tip = re.search(r": ([\d,]+) trips", "".join(group.itertext()))
        if tip is not None:
            yield int(tip[1].replace(",", ""))


def assert_has_finite_places(svg: str) -> None:
    for element in ET.fromstring(svg).iter():  # noqa: S314 - our own
        places = [element.get(name) for name in ("x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "width", "height")]
        for place in filter(None, places):
            assert math.isfinite(float(place))
            assert -1 <= float(place) <= 2_000, svg


@pytest.mark.slow
@for_every_dataset
@few
@given(data=st.data(), rules=rule_sets)
def test_the_page_of_every_rule_set_is_whole_and_counts_every_row(
    dataset: Dataset, data: st.DataObject, rules: list[str]
) -> None:
    drawn = data.draw(months(dataset))
    with TemporaryDirectory() as folder:
        path = written(drawn.table, Path(folder), dataset, drawn.month)
        with cleaned_month(raw_file(path), dataset, drawn.month, rules, Path(folder)) as cleaned:
            clean, quarantine = (Rows.from_table(one.to_table()) for one in (cleaned.clean, cleaned.quarantine))
        report = report_of(dataset, drawn.month, clean, quarantine, Path(folder))
        assert_drawn_and_counted(report, clean.to_table().to_pylist())


@pytest.mark.slow
@for_every_dataset
@few
@given(data=st.data())
def test_values_that_no_meter_can_have_shown_are_drawn_and_summed_up(dataset: Dataset, data: st.DataObject) -> None:
    table = data.draw(clean_rows(dataset))
    rows = Rows.from_table(table)
    with TemporaryDirectory() as folder:
        path = written(plausible_month(dataset, dataset.first_month), Path(folder), dataset, dataset.first_month)
        with cleaned_month(raw_file(path), dataset, dataset.first_month, [], Path(folder)) as cleaned:
            quarantine = Rows.from_table(cleaned.quarantine.to_table())
        assert_drawn_and_counted(report_of(dataset, MONTH, rows, quarantine, Path(folder)), table.to_pylist())
        assert daily_trips(rows, dataset, Path(folder))["trips"].sum() == table.num_rows


@given(counts=st.dictionaries(st.integers(-(10**17), 10**17), st.integers(1, 10**8), min_size=1, max_size=6))
@settings(few, max_examples=200)
def test_the_bars_of_a_distribution_hold_every_trip_and_those_below_0_stand_apart(counts: dict[int, int]) -> None:
    histogram = Histogram(0.01, dict(sorted(counts.items())))
    for width in (332, 508):
        drawing = histogram_chart(histogram, "miles", "", width)
        assert sum(bars(drawing.svg)) == sum(counts.values())
        assert_has_finite_places(drawing.svg)
        below = re.search(r"below 0 miles: ([\d,]+) trips", drawing.svg)
        expected = sum(trips for value, trips in counts.items() if value < 0)
        assert (int(below[1].replace(",", "")) if below else 0) == expected


@pytest.mark.parametrize("value", [0, 1, -1, -30_000, 10**11])
def test_a_distribution_of_one_value_has_one_bar_with_trips(value: int) -> None:
    svg = histogram_chart(Histogram(0.01, {value: 7}), "miles", "", 332).svg
    assert sorted(bars(svg))[-1] == 7
    assert sum(bars(svg)) == 7


@pytest.mark.skipif(not REAL_FILES.is_dir(), reason="real TLC files are not on this machine")
def test_the_homework_s_month_has_a_page(tmp_path: Path) -> None:
    """The README's own line; the real month has negative amounts, distances of a thousand miles and refunds."""
    january = Month(2022, 1)
    path = REAL_FILES / "trip-data" / GREEN.file_name(january)
    with cleaned_month(raw_file(path), GREEN, january, HOMEWORK, tmp_path) as cleaned:
        clean, quarantine = (Rows.from_table(one.to_table()) for one in (cleaned.clean, cleaned.quarantine))
    report = report_of(GREEN, january, clean, quarantine, tmp_path)
    rows = clean.to_table().select(["trip_distance", "dropoff_datetime", "total_amount", "pickup_datetime"]).to_pylist()
    assert any(row["total_amount"] < 0 for row in rows)
    assert_drawn_and_counted(report, rows)
