"""What loading is expected to cost, by what is known of the files and of earlier loads."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest

from taxi_assets.catalog import dataset_named, published_rows
from taxi_assets.cli.plan.costs import Cost, CostEstimator, total
from taxi_assets.cli.plan.download_sizes import MAX_REQUESTS, download_sizes
from taxi_assets.cli.plan.earlier_loads import EarlierLoads
from taxi_assets.month import Month
from taxi_assets.source import open_source
from taxi_assets_tests.source.cdn import Answer, serving

GREEN = dataset_named("green")
JANUARY, FEBRUARY, MARCH = (Month(2024, number) for number in (1, 2, 3))
NOON = datetime(2024, 6, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def run_of(instance: dg.DagsterInstance, seconds: float) -> str:
    """Record a run that took so long."""
    run = instance.add_run(dg.DagsterRun("green_trips_job", status=dg.DagsterRunStatus.STARTED))
    for kind, moment in (("PIPELINE_START", 0.0), ("PIPELINE_SUCCESS", seconds)):
        event = dg.DagsterEvent(kind, "green_trips_job")
        instance.report_dagster_event(event, run.run_id, timestamp=NOON.timestamp() + moment)
    return run.run_id


def line(month: Month, rows: int, run_id: str = "", size: int | None = None) -> dict[str, Any]:
    """A line of the audit table."""
    return {
        "table_name": "green_trips",
        "source_month": month.first_day,
        "run_id": run_id,
        "finished_at": NOON + timedelta(days=month.number),
        "source_rows": rows,
        "source_bytes": size,
    }


def estimator(
    earlier: EarlierLoads, sizes: dict[tuple[str, Month], int] | None = None, **options: bool
) -> CostEstimator:
    wanted = [(GREEN, month) for month in (JANUARY, FEBRUARY, MARCH)]
    return CostEstimator(sizes or {}, earlier, wanted, **{"synthetic": False, "in_bigquery": False, **options})


def test_rows_are_those_loaded_before_else_those_published_else_those_of_the_nearest_month(
    instance: dg.DagsterInstance,
) -> None:
    late = Month(2026, 2)
    costs = estimator(EarlierLoads([line(JANUARY, 7), line(MARCH, 9)], instance))
    assert [costs.cost(GREEN, month).rows for month in (JANUARY, FEBRUARY, late)] == [
        7,
        published_rows(GREEN, FEBRUARY),
        9,
    ]


def test_a_source_of_synthetic_files_has_not_the_rows_that_tlc_published(instance: dg.DagsterInstance) -> None:
    costs = estimator(EarlierLoads([line(MARCH, 9)], instance), synthetic=True)
    assert costs.cost(GREEN, FEBRUARY).rows == 9


def test_files_whose_size_was_not_asked_for_are_estimated_by_their_rows(instance: dg.DagsterInstance) -> None:
    earlier = EarlierLoads([line(JANUARY, 100), line(FEBRUARY, 300), line(MARCH, 50, size=444)], instance)
    costs = estimator(earlier, {("green", JANUARY): 1_000})
    found = [costs.cost(GREEN, month) for month in (JANUARY, FEBRUARY, MARCH)]
    assert [(one.download_bytes, one.is_estimated) for one in found] == [(1_000, False), (3_000, True), (444, True)]


def test_a_run_takes_a_fixed_time_and_a_time_for_each_row(instance: dg.DagsterInstance) -> None:
    lines = [line(JANUARY, 1_000, run_of(instance, 12)), line(FEBRUARY, 2_000, run_of(instance, 22))]
    seconds = EarlierLoads(lines, instance).seconds(GREEN, 5_000)
    assert seconds == pytest.approx(52, abs=0.1)


def test_runs_of_one_size_and_of_other_datasets_serve_too(instance: dg.DagsterInstance) -> None:
    earlier = EarlierLoads([line(JANUARY, 1_000, run_of(instance, 12))], instance)
    assert earlier.seconds(GREEN, 2_000) == pytest.approx(24, abs=0.1)
    assert earlier.seconds(dataset_named("yellow"), 2_000) == pytest.approx(24, abs=0.1)
    assert EarlierLoads([], instance).seconds(GREEN, 2_000) is None


def test_bigquery_bytes_count_the_columns_that_the_month_has(instance: dg.DagsterInstance) -> None:
    costs = estimator(EarlierLoads([line(JANUARY, 10), line(MARCH, 10)], instance), in_bigquery=True)
    in_2024, in_2025 = (costs.cost(GREEN, Month(year, 6)).bigquery_bytes for year in (2024, 2025))
    assert in_2024 is not None  # rows are those of the nearest month; 2025 has one amount more
    assert in_2025 == in_2024 + 10 * 8
    assert estimator(EarlierLoads([], instance)).cost(GREEN, JANUARY).bigquery_bytes is None


def test_a_sum_knows_what_any_of_its_parts_knows() -> None:
    one, other = Cost(1, None, False, 5, 1.5, None), Cost(2, 10, True, None, 2.0, None)
    assert total([one, other]) == Cost(3, 10, True, 5, 3.5, None)
    assert total([]) == Cost(0, None, False, None, None, None)


def test_many_files_are_asked_for_by_a_limited_number_of_requests() -> None:
    months = list(GREEN.first_month.until(GREEN.first_month.plus(149)))
    with serving() as cdn:
        for month in months:
            cdn.put(f"trip-data/{GREEN.file_name(month)}", b"x" * month.number)
        sizes, error = download_sizes(open_source(cdn.url, retry=False), [(GREEN, month) for month in months])
        assert len(cdn.requests) == len(sizes) <= MAX_REQUESTS
    assert error is None
    assert all(size == month.number for (_, month), size in sizes.items())
    assert {month.year for _, month in sizes} == {month.year for month in months}


def test_a_source_that_does_not_answer_is_named_and_the_sizes_are_not_known() -> None:
    with serving() as cdn:
        cdn.will(Answer(status=503))
        sizes, error = download_sizes(open_source(cdn.url, retry=False), [(GREEN, JANUARY)])
    assert sizes == {}
    assert "503" in (error or "")
