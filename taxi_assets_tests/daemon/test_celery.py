"""Runs by Celery workers, with a real RabbitMQ, Postgres, daemon and workers, of which each is killed on the way.

The fleet is one for all tests, and the source holds back the months that a test wants to be under way.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery as google_bigquery

from taxi_assets.catalog import dataset_named
from taxi_assets.month import Month
from taxi_assets.sample import write_tree
from taxi_assets.stores.base import TableSlice
from taxi_assets.stores.lake.gcs.client import open_client
from taxi_assets.stores.lake.gcs.store import GCSLake
from taxi_assets_tests.servers.bigquery import BigQueryServer
from taxi_assets_tests.servers.gcs import new_bucket
from taxi_assets_tests.servers.rabbitmq import RabbitServer, rabbitmq_server, why_no_rabbitmq
from taxi_assets_tests.source.cdn import Cdn, serving
from taxi_assets_tests.stores.servers import new_database

from .backfills import expected_rows
from .fleet import Fleet, Worker, fleet, until
from .machines import records_url

pytestmark = [pytest.mark.daemon, pytest.mark.timeout(600), pytest.mark.xdist_group("fleet")]

GREEN = dataset_named("green")
JOB = "green_trips_job"
RAW = "green/raw_trips"
MONTHS = [str(month) for month in Month(2024, 1).until(Month(2024, 12))]
NOTICED = 40  # seconds within which a lost process is given up
RETRIED = 180  # seconds within which it is made again, also where Dagster missed it: two ticks of `missed_retries`


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitServer]:
    reason = why_no_rabbitmq()
    if reason is not None:
        pytest.skip(reason)
    with rabbitmq_server(tmp_path_factory.mktemp("rabbitmq")) as server:
        yield server


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cdn]:
    folder = tmp_path_factory.mktemp("published")
    write_tree(folder, months=[(GREEN, Month.parse(month)) for month in MONTHS])
    with serving() as cdn:
        for file in (folder / "trip-data").iterdir():
            cdn.put(f"trip-data/{file.name}", file.read_bytes())
        yield cdn


@pytest.fixture(scope="module")
def machine(
    broker: RabbitServer,
    source: Cdn,
    bigquery: BigQueryServer,
    postgres_url: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Fleet]:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE celery_records")
    stores = {
        "TAXI_SOURCE": source.url,
        "TAXI_LAKE": f"gs://{new_bucket().name}/lake",
        "TAXI_POSTGRES": new_database(postgres_url),
        "TAXI_WAREHOUSE": "bigquery://project/celery",
    }
    storage = records_url(postgres_url, "celery_records")
    with fleet(tmp_path_factory.mktemp("fleet"), storage, broker, stores) as started:
        yield started


@pytest.fixture
def work(machine: Fleet) -> Iterator[Callable[..., Worker]]:
    """Starts a worker; at the end of the test none is left."""
    started = []

    def start(*arguments: object, **variables: str) -> Worker:
        started.append(machine.worker(*arguments, **variables))
        return started[-1]

    yield start
    for worker in started:
        worker.kill()


def work_together(work: Callable[..., Worker], *names: str) -> list[Worker]:
    """Start workers with a place each, at once: each takes seconds to import what it needs."""
    with ThreadPoolExecutor(len(names)) as pool:
        return list(pool.map(work, names))


@pytest.fixture
def hold(source: Cdn) -> Iterator[Callable[[str], None]]:
    """Has the source hold a month back; at the end of the test it lets all go."""
    yield lambda month: source.held.add(path_of(month))
    source.held.clear()


def path_of(month: str) -> str:
    return f"trip-data/{GREEN.file_name(Month.parse(month))}"


def under_way(source: Cdn, month: str) -> bool:
    return any(one.path == path_of(month) and one.method == "GET" for one in source.requests)


def stored(machine: Fleet, month: str) -> dict[str, object]:
    """Rows of the month in each store, and the lines about it in the audit tables."""
    first = f"{month}-01"
    told = machine.environment
    lake = GCSLake(open_client, told["TAXI_LAKE"].split("/")[2], "lake", machine.folder)
    with psycopg.connect(told["TAXI_POSTGRES"]) as connection:

        def postgres(query: str) -> int:
            return connection.execute(query, [first]).fetchone()[0]

        table = postgres("SELECT count(*) FROM taxi.green_trips WHERE source_month = %s")
        lines = postgres("SELECT count(*) FROM taxi.load_audit WHERE table_name = 'green_trips' AND source_month = %s")
    client = google_bigquery.Client("project", credentials=AnonymousCredentials())

    def warehouse(query: str) -> int:
        return next(iter(client.query_and_wait(f"{query} source_month = '{first}'")))[0]

    return {
        "lake": lake.count(TableSlice("green/clean_trips", Month.parse(month))),
        "postgres": table,
        "warehouse": warehouse("SELECT count(*) FROM `project.celery.green_trips` WHERE"),
        "lines in postgres": lines,
        "lines in warehouse": warehouse(
            "SELECT count(*) FROM `project.celery.load_audit` WHERE table_name = 'green_trips' AND"
        ),
    }


def loaded_once(month: str) -> dict[str, object]:
    rows = expected_rows(GREEN, Month.parse(month))[0]
    return {"lake": rows, "postgres": rows, "warehouse": rows, "lines in postgres": 1, "lines in warehouse": 1}


def test_killed_runs_are_made_again_and_a_draining_worker_and_a_restarted_broker_cost_none(
    machine: Fleet, broker: RabbitServer, source: Cdn, work: Callable[..., Worker], hold: Callable[[str], None]
) -> None:
    lost, spared, drained, queued = MONTHS[:4]
    for month in (lost, spared, drained):
        hold(month)
    first, second, third = work_together(work, "first", "second", "third")
    of_worker = machine.launch(JOB, lost).wait("STARTED")
    of_process = machine.launch(JOB, spared, RAW).wait("STARTED")
    of_drained = machine.launch(JOB, drained, RAW).wait("STARTED")
    until(lambda: all(under_way(source, month) for month in (lost, spared, drained)), 60, lambda: str(source.requests))
    workers = dict(zip(("first", "second", "third"), (first, second, third), strict=True))
    began = time.monotonic()
    workers[of_worker.worker].kill()
    machine.kill_process_of(of_process)
    workers[of_drained.worker].drain()
    broker.kill()
    waits = machine.launch(JOB, queued, RAW)
    until(lambda: "The broker does not answer, so the run stays queued" in waits.messages, 60, lambda: waits.messages)
    broker.restart()
    for run in (of_worker, of_process):
        run.wait("FAILURE", seconds=began + NOTICED - time.monotonic())
        assert "its process was killed, or its machine is gone or cut off" in run.messages
    assert of_drained.status == "STARTED"
    source.held.clear()
    of_drained.wait("SUCCESS")
    assert workers[of_drained.worker].process.wait(60) == 0
    for run in (of_worker, of_process):
        until(lambda run=run: bool(run.retries), RETRIED, lambda run=run: f"{run.messages}\n{machine.last_words()}")
    survivor = of_process.worker
    if workers[survivor].process.poll() is not None:
        # Celery 5.7 ends with "file descriptor is None" where it lost a process while the broker was away; systemd
        # starts it again.
        workers[survivor] = work(survivor)
    for run in (of_worker, of_process):
        run.retries[0].wait("SUCCESS")
    waits.wait("SUCCESS")
    assert [of_drained.retries, waits.retries] == [[], []]
    assert stored(machine, lost) == loaded_once(lost)
    workers[survivor].end()


def test_a_terminated_run_ends_as_canceled_and_is_not_made_again_whatever_becomes_of_the_daemon(
    machine: Fleet, source: Cdn, work: Callable[..., Worker], hold: Callable[[str], None]
) -> None:
    held, waiting = MONTHS[4:6]
    hold(held)
    worker = work("busy")
    run = machine.launch(JOB, held, RAW).wait("STARTED")
    behind = machine.launch(JOB, waiting, RAW).wait("STARTING")
    until(lambda: "The broker has the run" in behind.messages, 30, lambda: behind.messages)
    machine.kill_daemon()
    behind.terminate("MARK_AS_CANCELED_IMMEDIATELY")  # all that Dagster offers for a run that has not begun
    assert behind.status == "CANCELED"
    assert run.status == "STARTED"
    run.terminate()
    run.wait("CANCELED", seconds=30)
    machine.start()
    source.held.clear()
    after = machine.launch(JOB, waiting, RAW).wait("SUCCESS")  # the worker has taken the canceled one's message before
    assert [one.status for one in (run, behind, after)] == ["CANCELED", "CANCELED", "SUCCESS"]
    assert [one.retries for one in (run, behind)] == [[], []]
    worker.end()


def test_a_worker_with_other_stores_refuses_the_run_and_names_the_difference(
    machine: Fleet, work: Callable[..., Worker]
) -> None:
    worker = work("elsewhere", TAXI_LAKE="gs://another/lake", TAXI_POSTGRES="postgresql://u:secret@h/db")
    run = machine.launch(JOB, MONTHS[6], RAW, **{"dagster/max_retries": "0"}).wait("FAILURE", "SUCCESS")
    assert run.status == "FAILURE"
    lake = machine.environment["TAXI_LAKE"]
    assert "worker@elsewhere refuses the run: its stores are not those of the daemon" in run.messages
    assert f"TAXI_LAKE is gs://another/lake here and {lake} there" in run.messages
    assert "TAXI_POSTGRES is postgresql://h/db here" in run.messages
    assert "secret" not in run.messages
    worker.end()


def test_a_new_month_overtakes_a_backfill_in_the_broker_too(machine: Fleet, work: Callable[..., Worker]) -> None:
    runs = [machine.launch(JOB, month, RAW) for month in MONTHS[7:9]]
    new = machine.launch(JOB, MONTHS[9], RAW, **{"dagster/priority": "1"})
    for run in (*runs, new):
        until(lambda run=run: "The broker has the run" in run.messages, 60, lambda: "not sent")
    worker = work("single")
    new.wait("SUCCESS")
    assert runs[-1].status == "STARTING"
    for run in runs:
        if run.status == "STARTING":
            run.terminate("MARK_AS_CANCELED_IMMEDIATELY")
    worker.end()
