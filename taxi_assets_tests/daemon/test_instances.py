"""The instances that the project comes with: root dagster.yaml for one machine, deploy/ for several people."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import psycopg
import pytest
import yaml
from dagster._core.events import DagsterEvent, EngineEventData
from dagster._core.launcher.base import WorkerStatus

from taxi_assets.automation.launcher import LocalRunLauncher
from taxi_assets_tests.servers.gcs import GcsServer

from .machines import PROJECT, records_url

DEPLOY = PROJECT / "deploy"


@dg.op
def says_hello() -> None:
    print("hello from a run")  # noqa: T201 - what a run prints is what this is about


@dg.job(executor_def=dg.in_process_executor)
def greeting() -> None:
    says_hello()


@pytest.fixture
def storage(postgres_url: str) -> Iterator[str]:
    """An empty database for Dagster's records."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE dagster_records")
        yield records_url(postgres_url, "dagster_records")
        connection.execute("DROP DATABASE dagster_records WITH (FORCE)")


@pytest.fixture
def laptop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """The instance of the root dagster.yaml, as `dagster dev` makes it in a fresh clone."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dagster.yaml").write_text((PROJECT / "dagster.yaml").read_text())
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        yield instance


def test_the_production_instance_keeps_its_records_in_postgres_and_what_runs_print_in_gcs(
    storage: str, gcs: GcsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (gcs.folder / "logs-of-runs").mkdir(exist_ok=True)
    monkeypatch.setenv("DAGSTER_POSTGRES_URL", storage)
    monkeypatch.setenv("DAGSTER_LOGS_BUCKET", "logs-of-runs")
    (tmp_path / "dagster.yaml").symlink_to(DEPLOY / "dagster.yaml")
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        result = greeting.execute_in_process(instance=instance)
        assert isinstance(instance.run_launcher, LocalRunLauncher)
    with psycopg.connect(storage.replace("+psycopg2", "")) as connection:
        assert connection.execute("SELECT run_id, status FROM runs").fetchall() == [(result.run_id, "SUCCESS")]
    printed = [path.read_text() for path in (gcs.folder / "logs-of-runs").rglob("*.out")]
    assert any("hello from a run" in text for text in printed)


def test_no_file_of_the_production_instance_holds_a_secret_or_listens_to_the_network() -> None:
    configuration = yaml.safe_load((DEPLOY / "dagster.yaml").read_text())
    assert configuration["storage"]["postgres"]["postgres_url"] == {"env": "DAGSTER_POSTGRES_URL"}
    commands = [path.read_text().partition("ExecStart=")[2].splitlines()[0] for path in DEPLOY.glob("*.service")]
    assert len(commands) == 3
    assert [command for command in commands if "--host" in command] == [
        "/opt/taxi/.venv/bin/dagster-webserver --host 127.0.0.1 --port 3000 --workspace /opt/taxi/deploy/workspace.yaml"
        " --db-pool-max-overflow 3"
    ]


def test_both_instances_make_killed_runs_again_but_not_failed_ones(laptop: dg.DagsterInstance) -> None:
    assert laptop.run_monitoring_enabled
    assert laptop.run_retries_enabled
    assert not laptop.run_retries_retry_on_asset_or_op_failure
    settings = {path: yaml.safe_load((path / "dagster.yaml").read_text()) for path in (PROJECT, DEPLOY)}
    for one in ("run_monitoring", "run_retries", "concurrency", "run_launcher"):
        assert settings[PROJECT][one] == settings[DEPLOY][one]


def test_a_run_whose_process_is_gone_is_noticed(laptop: dg.DagsterInstance) -> None:
    result = greeting.execute_in_process(instance=laptop)
    run = laptop.get_run_by_id(result.run_id)
    launcher = laptop.run_launcher
    assert launcher.supports_check_run_worker_health
    assert launcher.check_run_worker_health(run).status == WorkerStatus.RUNNING  # it was made by this very process


def test_another_process_under_the_same_number_is_not_taken_for_the_run_s(laptop: dg.DagsterInstance) -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as other:
        for told_at, status in ((time.time() + 1, WorkerStatus.RUNNING), (1.0, WorkerStatus.NOT_FOUND)):
            run = laptop.create_run_for_job(greeting)
            _report(laptop, run, dg.DagsterEventType.ENGINE_EVENT, told_at, other.pid)
            assert laptop.run_launcher.check_run_worker_health(run).status == status
        os.kill(other.pid, signal.SIGKILL)


@pytest.mark.parametrize(("ago", "status"), [(100, WorkerStatus.RUNNING), (200, WorkerStatus.NOT_FOUND)])
def test_a_run_that_has_not_told_of_its_process_is_given_three_minutes(
    laptop: dg.DagsterInstance, ago: float, status: WorkerStatus
) -> None:
    run = laptop.create_run_for_job(greeting)
    _report(laptop, run, dg.DagsterEventType.RUN_START, time.time() - ago)
    assert laptop.run_launcher.check_run_worker_health(run).status == status


def _report(
    instance: dg.DagsterInstance, run: dg.DagsterRun, kind: dg.DagsterEventType, moment: float, pid: int | None = None
) -> None:
    told = None if pid is None else EngineEventData.in_process(pid)
    event = DagsterEvent(event_type_value=kind.value, job_name=run.job_name, event_specific_data=told)
    instance.report_dagster_event(event, run.run_id, timestamp=moment)
