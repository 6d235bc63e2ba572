"""Killed runs whose retry Dagster passes over, with its own consumer of failures on its real storages."""

import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import dagster as dg
import pytest
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill
from dagster._daemon.auto_run_reexecution.auto_run_reexecution import filter_runs_to_should_retry
from dagster._daemon.auto_run_reexecution.event_log_consumer import EventLogConsumerDaemon

from taxi_assets.automation import missed_retries, missed_retries_sensor
from taxi_assets_tests.stores.servers import new_database

# Dagster's own call of `Logger.warn`, when it begins.
pytestmark = pytest.mark.filterwarnings("ignore:The 'warn' method is deprecated")
RETRIES = "run_retries: {enabled: true, max_retries: 3}\ntelemetry: {enabled: false}\n"


@dg.job
def nothing() -> None:
    pass


class Daemon(EventLogConsumerDaemon):
    """Dagster's daemon of retries: it examines failures, and notes which runs it would retry."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        super().__init__()
        self._process = SimpleNamespace(instance=instance)
        self.retried: list[str] = []

    @property
    def handle_updated_runs_fns(self) -> list[Callable[..., Iterator[None]]]:
        return [self._note]

    def _note(self, process: SimpleNamespace, records: list[dg.RunRecord], _: logging.Logger) -> Iterator[None]:
        runs = [record.dagster_run for record in records]
        self.retried += [run.run_id for run in filter_runs_to_should_retry(runs, process.instance)]
        yield

    def look(self) -> list[str]:
        """Have it examine what is new; gives all that it has retried."""
        list(self.run_iteration(self._process))
        return self.retried


@pytest.fixture(params=["sqlite", "postgres"])
def instance(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    storage = ""
    if request.param == "postgres":
        url = new_database(request.getfixturevalue("postgres_url"))
        storage = f"storage: {{postgres: {{postgres_url: '{url.replace('postgresql:', 'postgresql+psycopg2:')}'}}}}\n"
    (tmp_path / "dagster.yaml").write_text(storage + RETRIES)
    with dg.DagsterInstance.from_config(str(tmp_path)) as opened:
        yield opened


@pytest.fixture
def daemon(instance: dg.DagsterInstance) -> Daemon:
    started = Daemon(instance)
    started.look()  # it ignores what is older
    return started


def fail_while_the_daemon_looks(instance: dg.DagsterInstance, daemon: Daemon, **tags: str) -> str:
    """Report a run as failed, which stores an event and then the status; the daemon looks in between."""
    run = instance.create_run_for_job(nothing, tags=tags)
    storage = instance.run_storage
    record = storage.handle_run_event

    def look_first(*arguments: object) -> None:
        daemon.look()
        record(*arguments)

    vars(storage)["handle_run_event"] = look_first
    instance.report_run_failed(run, "its process is gone")
    del vars(storage)["handle_run_event"]
    return run.run_id


def tick(instance: dg.DagsterInstance) -> str:
    with dg.build_sensor_context(instance) as context:
        return missed_retries_sensor.evaluate_tick(context).skip_message


def test_a_failure_that_the_daemon_examined_before_its_status_was_recorded_is_examined_again(
    instance: dg.DagsterInstance, daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = fail_while_the_daemon_looks(instance, daemon)
    assert instance.get_run_by_id(run).tags["dagster/will_retry"] == "true"
    assert daemon.look() == []  # Dagster alone never will
    assert tick(instance) == "no retry was missed"  # it may be on its way
    monkeypatch.setattr(missed_retries, "SETTLED", 0)
    assert tick(instance) == f"the daemon examines again: {run}"
    assert daemon.look() == [run]
    instance.add_run_tags(run, {"dagster/auto_retry_run_id": "the retry"})
    assert tick(instance) == "no retry was missed"


def test_a_run_that_cannot_be_retried_is_left_alone_in_the_end(
    instance: dg.DagsterInstance, daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_while_the_daemon_looks(instance, daemon)
    now = time.time()
    monkeypatch.setattr(missed_retries.time, "time", lambda: now + 901)
    assert tick(instance) == "no retry was missed"


def test_a_run_of_a_backfill_that_has_ended_is_left_alone(
    instance: dg.DagsterInstance, daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(missed_retries, "SETTLED", 0)
    for name, status in [("over", BulkActionStatus.CANCELED), ("going on", BulkActionStatus.REQUESTED)]:
        instance.add_backfill(PartitionBackfill(name, status, False, {}, time.time(), partition_names=[]))
    fail_while_the_daemon_looks(instance, daemon, **{"dagster/backfill": "over"})
    fail_while_the_daemon_looks(instance, daemon, **{"dagster/backfill": "deleted"})
    assert tick(instance) == "no retry was missed"
    run = fail_while_the_daemon_looks(instance, daemon, **{"dagster/backfill": "going on"})
    assert tick(instance) == f"the daemon examines again: {run}"
