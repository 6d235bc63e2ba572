"""What a run of the command line says of its failures, and what the screen shows meanwhile."""

import logging
import re
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from taxi_assets.cli import console, runs
from taxi_assets.errors import BadFile, StoreUnavailable
from taxi_assets.io_managers import common
from taxi_assets.io_managers.common import map_errors_to_failures
from taxi_assets.settings import Settings

MANAGED = "python_logs: {managed_python_loggers: [taxi_assets], python_log_level: INFO}\n"


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    settings = Settings.from_environment({"TAXI_HOME": str(tmp_path)})
    settings.dagster_home.mkdir()
    (settings.dagster_home / "dagster.yaml").write_text(MANAGED)
    with runs.instance_of(settings) as instance:
        yield instance


@dg.resource
def broken() -> None:
    raise KeyError("no such setting")


def outcome_of(instance: dg.DagsterInstance, screen: console.Terminal, error: Exception | None) -> runs.Outcome:
    """What comes of a run whose only step raises the error; of one whose resource is broken if there is none."""

    @dg.asset(required_resource_keys={"broken"} if error is None else set())
    def odd() -> None:
        logging.getLogger("taxi_assets.stores").warning("waiting for %s", "a file")
        with map_errors_to_failures():
            raise error or AssertionError

    job = dg.define_asset_job("odd_job", [odd])
    definitions = dg.Definitions([odd], jobs=[job], loggers=screen.loggers, resources={"broken": broken})
    with screen.running():
        return runs.run(definitions, instance, runs.Request("odd", "odd_job", "odd"), console.LOGGER)


@pytest.mark.parametrize(
    ("error", "told"),
    [(IndexError("list index out of range"), "odd: IndexError: list index out of range"), (None, "the run: KeyError")],
)
def test_a_programming_error_is_named_with_the_file_that_holds_its_traceback(
    instance: dg.DagsterInstance, error: Exception | None, told: str
) -> None:
    first, second = outcome_of(instance, console.Terminal(), error).failures
    assert first.startswith(told)
    found = re.search(r"the traceback is in (.*\.txt)", second)
    assert found is not None
    assert "Stack Trace" in Path(found[1]).read_text()
    assert "test_running.py" in Path(found[1]).read_text()


def test_an_error_that_says_what_to_do_needs_no_traceback(instance: dg.DagsterInstance) -> None:
    told = outcome_of(instance, console.Terminal(), BadFile("not Parquet: fetch it again")).failures
    assert told == ["odd: BadFile: not Parquet: fetch it again"]
    assert not (Path(instance.root_directory) / "tracebacks").exists()


def test_what_is_waited_for_and_tried_again_shows_on_the_screen_once(
    instance: dg.DagsterInstance, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(common, "SECONDS_BETWEEN_RETRIES", 0)
    screen = console.Terminal()
    told = outcome_of(instance, screen, StoreUnavailable("the store does not answer: start it")).failures
    assert told == ["odd: StoreUnavailable: the store does not answer: start it"]
    shown = re.sub(r"\s+", " ", capsys.readouterr().out)
    assert shown.count("waiting for a file") == 3
    assert shown.count("odd is tried again in 0 s: StoreUnavailable: the store does not answer: start it") == 2


def test_the_counts_of_a_large_month_are_shown_whole_in_80_columns(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    rows = dict.fromkeys(
        ["fhvhv/raw_trips", "fhvhv/clean_trips", "fhvhv/postgres_trips", "fhvhv/warehouse_trips"], 20_000_000
    )
    request = runs.Request("fhvhv 2024-01", "fhvhv_trips_job", "fhvhv")
    outcome = runs.Outcome(request, True, {**rows, "fhvhv/quarantined_trips": 1_234_567}, {}, None, None, [], [], 75.8)
    console.Terminal().print_outcomes([outcome])
    shown = capsys.readouterr().out
    assert shown.count("20,000,000") == 4
    assert "1,234,567" in shown
    assert max(map(len, shown.splitlines())) <= 80
