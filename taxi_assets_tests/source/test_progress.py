import logging

import pytest

from taxi_assets.source.progress import ProgressReporter

NAME = "green_tripdata_2024-01.parquet"
MB = 1_000_000


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def test_progress_is_reported_every_tenth_of_a_second_and_at_the_end(clock: Clock) -> None:
    reported: list[int] = []
    reporter = ProgressReporter(NAME, lambda _name, done, _total: reported.append(done), clock)
    for hundredth in range(1, 26):
        clock.now = hundredth / 100
        reporter.update(hundredth, 26)
    reporter.finish(26)
    assert reported == [10, 20, 26]


def test_a_small_file_is_reported_once(clock: Clock) -> None:
    reported: list[tuple[str, int, int | None]] = []
    reporter = ProgressReporter(NAME, lambda *now: reported.append(now), clock)
    reporter.start(5)
    reporter.update(5, 5)
    reporter.finish(5)
    assert reported == [(NAME, 5, 5)]


def test_a_long_download_is_logged_every_ten_seconds(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    reporter = ProgressReporter(NAME, None, clock)
    reporter.start(480 * MB)
    for second in range(1, 26):
        clock.now = float(second)
        reporter.update(12 * second * MB, 480 * MB)
    reporter.finish(480 * MB)
    assert lines(caplog) == [f"{NAME}: 480 MB to fetch", f"{NAME}: 120 of 480 MB", f"{NAME}: 240 of 480 MB"]


def test_a_quick_small_download_is_not_logged(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    reporter = ProgressReporter(NAME, None, clock)
    reporter.start(2 * MB)
    reporter.update(1 * MB, 2 * MB)
    reporter.finish(2 * MB)
    assert lines(caplog) == []


def test_a_file_of_unknown_size_is_logged_without_it(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    reporter = ProgressReporter(NAME, None, clock)
    reporter.start(None)
    clock.now = 10.0
    reporter.update(120 * MB, None)
    assert lines(caplog) == [f"{NAME}: 120 MB"]
