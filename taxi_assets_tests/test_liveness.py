"""Runs whose process is gone, as the next command finds them without a daemon; and what older versions left behind."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import psutil
import pytest
from dagster._core.events import EngineEventData

from taxi_assets.automation.run_worker import (
    HOST,
    PROCESS,
    SECONDS_TO_START,
    host,
    process_tags,
    report_dead_runs,
)
from taxi_assets.cli import console, runs
from taxi_assets.definitions import build_definitions
from taxi_assets.settings import Settings
from taxi_assets_tests.homes import Home

STATUS = dg.DagsterRunStatus


@dg.op
def nothing() -> None: ...


@dg.job
def job() -> None:
    nothing()


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with runs.instance_of(Settings.from_environment({"TAXI_HOME": str(tmp_path)})) as instance:
        yield instance


@pytest.fixture(scope="module")
def dead() -> str:
    """The tag of a process that is gone."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        return f"{process.pid} {psutil.Process(process.pid).create_time()}"


def status_after(instance: dg.DagsterInstance, tags: dict[str, str], status: STATUS = STATUS.STARTED) -> STATUS:
    """What becomes of a run with those tags when somebody looks."""
    run = instance.create_run_for_job(job, tags=tags, status=status)
    report_dead_runs(instance)
    found = instance.get_run_by_id(run.run_id)
    assert found is not None
    return found.status


@pytest.mark.parametrize("status", [STATUS.NOT_STARTED, STATUS.STARTING, STATUS.STARTED])
def test_a_run_whose_process_is_gone_has_failed(instance: dg.DagsterInstance, dead: str, status: STATUS) -> None:
    assert status_after(instance, {HOST: host(), PROCESS: dead}, status) == STATUS.FAILURE
    [end] = instance.all_logs(instance.get_runs()[0].run_id, of_type=dg.DagsterEventType.RUN_FAILURE)
    assert f"its process {dead.split(maxsplit=1)[0]} is gone" in end.message


def test_a_run_that_was_being_canceled_when_its_process_went_is_canceled(
    instance: dg.DagsterInstance, dead: str
) -> None:
    assert status_after(instance, {HOST: host(), PROCESS: dead}, STATUS.CANCELING) == STATUS.CANCELED


def test_a_run_that_lives_is_left_alone(instance: dg.DagsterInstance) -> None:
    assert status_after(instance, process_tags()) == STATUS.STARTED


def test_another_process_under_the_same_number_is_not_the_run_s(instance: dg.DagsterInstance) -> None:
    pid, created = process_tags()[PROCESS].split()
    tags = {HOST: host(), PROCESS: f"{pid} {float(created) - 3600}"}
    assert status_after(instance, tags) == STATUS.FAILURE


def test_a_run_of_another_machine_is_not_judged(instance: dg.DagsterInstance, dead: str) -> None:
    assert status_after(instance, {HOST: "elsewhere pid:[1]", PROCESS: dead}) == STATUS.STARTED


def test_a_run_of_an_older_version_is_known_by_its_events(instance: dg.DagsterInstance, dead: str) -> None:
    run = instance.create_run_for_job(job, status=STATUS.STARTED)
    data = EngineEventData.in_process(int(dead.split(maxsplit=1)[0]))
    event = dg.DagsterEvent(dg.DagsterEventType.ENGINE_EVENT.value, job.name, event_specific_data=data)
    instance.report_dagster_event(event, run.run_id)
    report_dead_runs(instance)
    assert instance.get_run_by_id(run.run_id).status == STATUS.FAILURE


@pytest.mark.parametrize(("ago", "status"), [(SECONDS_TO_START - 60, STATUS.STARTED), (600, STATUS.FAILURE)])
def test_a_run_that_told_of_no_process_is_given_three_minutes(
    instance: dg.DagsterInstance, ago: float, status: STATUS
) -> None:
    run = instance.create_run_for_job(job)
    event = dg.DagsterEvent(dg.DagsterEventType.RUN_START.value, job.name)
    instance.report_dagster_event(event, run.run_id, timestamp=time.time() - ago)
    report_dead_runs(instance)
    assert instance.get_run_by_id(run.run_id).status == status


def test_slots_that_an_older_version_s_killed_runs_kept_hold_nobody_up(
    tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home(tmp_path, TAXI_SOURCE="sample", TAXI_POSTGRES=postgres_url)
    monkeypatch.setenv("TAXI_POSTGRES", postgres_url)
    configuration = home.settings.dagster_home / "dagster.yaml"
    configuration.parent.mkdir(parents=True)
    configuration.write_text("concurrency: {pools: {default_limit: 1}}\ntelemetry: {enabled: false}\n")
    screen = console.Terminal()
    with runs.instance_of(home.settings) as instance:
        records = instance.event_log_storage
        for pool in ("postgres", "warehouse"):
            records.initialize_concurrency_limit_to_default(pool)
            assert records.claim_concurrency_slot(pool, "killed-run", f"{pool}__taxi_zones").is_claimed
            assert not records.claim_concurrency_slot(pool, "killed-later", f"{pool}__taxi_zones").is_claimed
        definitions = build_definitions(home.settings, screen.loggers)
        outcome = runs.run(definitions, instance, runs.zones_request(), console.LOGGER)
    assert outcome.loaded, outcome.failures
