"""The lease of a run, with real sessions of a real Postgres, and processes that hold it."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import dagster as dg
import psycopg
import pytest

from taxi_assets.automation.celery.lease import LeaseTaken, holder, lease
from taxi_assets.errors import InvalidRequest
from taxi_assets_tests.faults.postgres_proxy import postgres_proxy
from taxi_assets_tests.stores.servers import new_database

pytestmark = pytest.mark.slow

# A process that holds the lease for as long as it is left in peace; the patience is shortened for the test's sake.
_HOLDER = """
import logging, sys, time
import dagster as dg
from taxi_assets.automation.celery import lease
from taxi_assets.automation.dagster_internals import capture_interrupts
from dagster._utils.interrupts import check_captured_interrupt
class Silent(logging.Handler):  # as Dagster's, which writes what is logged to the database that does not answer
    def emit(self, record):
        time.sleep(60)
logging.getLogger("taxi_assets").addHandler(Silent())
lease._INTERVAL, lease.SILENCE, lease.GRACE = 0.2, 3, float(sys.argv[3])
with dg.DagsterInstance.from_config(sys.argv[1]) as instance, capture_interrupts(), lease.lease(instance, sys.argv[2]):
    print("held", flush=True)
    for _ in range(600):
        if check_captured_interrupt() and float(sys.argv[3]) > 1:
            print("interrupted", flush=True)
            break
        time.sleep(0.1)
"""
SECONDS = 30


@dg.job
def nothing() -> None:
    pass


def instance_at(folder: Path, url: str) -> Path:
    folder.mkdir(exist_ok=True)
    storage = url.replace("postgresql://", "postgresql+psycopg2://")
    (folder / "dagster.yaml").write_text(
        f"storage: {{postgres: {{postgres_url: '{storage}'}}}}\ntelemetry: {{enabled: false}}\n"
    )
    return folder


@pytest.fixture(scope="module")
def url(postgres_url: str) -> str:
    return new_database(postgres_url)


@pytest.fixture
def instance(tmp_path: Path, url: str) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.from_config(str(instance_at(tmp_path / "instance", url))) as opened:
        yield opened


@pytest.fixture
def hold(instance: dg.DagsterInstance) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts a process that holds the lease of a run."""
    started = []

    def start(run: dg.DagsterRun, *, home: str = instance.root_directory, grace: float = 30) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", _HOLDER, home, run.run_id, str(grace)], stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        assert process.stdout.readline() == "held\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def free_within(seconds: float, instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    give_up = time.monotonic() + seconds
    while holder(instance, run.run_id) is not None:
        if time.monotonic() > give_up:
            return False
        time.sleep(0.1)
    return True


def test_one_process_at_a_time_holds_the_lease_of_a_run(
    instance: dg.DagsterInstance, hold: Callable[..., subprocess.Popen[str]]
) -> None:
    run, other = instance.create_run_for_job(nothing), instance.create_run_for_job(nothing)
    process = hold(run)
    assert holder(instance, run.run_id) is not None
    assert holder(instance, other.run_id) is None
    with pytest.raises(LeaseTaken), lease(instance, run.run_id):
        pass
    with lease(instance, other.run_id):
        assert holder(instance, other.run_id) is not None
    assert free_within(5, instance, other)  # the server ends a session when it reads that it is closed
    process.kill()
    assert free_within(5, instance, run)


def test_a_cancellation_while_the_run_starts_is_restored_before_it_interrupts(
    instance: dg.DagsterInstance, hold: Callable[..., subprocess.Popen[str]]
) -> None:
    run = instance.create_run_for_job(nothing)
    process = hold(run)
    instance.report_run_canceling(run)
    time.sleep(1)  # the process has seen it
    instance.report_dagster_event(dg.DagsterEvent(dg.DagsterEventType.RUN_START.value, run.job_name), run.run_id)
    assert process.communicate(timeout=SECONDS)[0] == "interrupted\n"
    assert instance.get_run_by_id(run.run_id).status == dg.DagsterRunStatus.CANCELING  # Dagster records it by that


def test_a_process_that_goes_on_after_its_run_was_given_up_is_killed(
    instance: dg.DagsterInstance, hold: Callable[..., subprocess.Popen[str]]
) -> None:
    run = instance.create_run_for_job(nothing)
    process = hold(run, grace=0.5)
    instance.report_run_failed(run, "its lease is free")
    assert process.wait(SECONDS) == -signal.SIGKILL


def test_a_session_that_the_server_ended_is_replaced(
    instance: dg.DagsterInstance, hold: Callable[..., subprocess.Popen[str]], url: str
) -> None:
    run = instance.create_run_for_job(nothing)
    process = hold(run)
    with psycopg.connect(url, autocommit=True) as connection:
        query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'taxi run'"
        assert connection.execute(query).fetchall() == [(True,)]
    assert free_within(1, instance, run)
    give_up = time.monotonic() + SECONDS
    while holder(instance, run.run_id) is None:
        assert time.monotonic() < give_up
        time.sleep(0.1)
    assert process.poll() is None


def test_a_process_that_the_database_does_not_answer_ends_before_its_lease_is_free(
    instance: dg.DagsterInstance, hold: Callable[..., subprocess.Popen[str]], url: str, tmp_path: Path
) -> None:
    run = instance.create_run_for_job(nothing)
    given = psycopg.conninfo.conninfo_to_dict(url)
    with postgres_proxy(Path(given["host"]) / ".s.PGSQL.5432") as proxy:
        silent = f"postgresql://{given['user']}@127.0.0.1:{proxy.port}/{quote(given['dbname'])}"
        process = hold(run, home=str(instance_at(tmp_path / "cut off", silent)))
        proxy.fail(lambda _: time.sleep(10), at=0)
        assert process.wait(SECONDS) == -signal.SIGKILL
        assert holder(instance, run.run_id) is not None
    assert free_within(SECONDS, instance, run)


def test_a_lease_needs_an_instance_whose_records_are_in_postgres() -> None:
    with (
        dg.DagsterInstance.ephemeral() as instance,
        pytest.raises(InvalidRequest, match="need `storage: postgres`"),
        lease(instance, "run"),
    ):
        pass
