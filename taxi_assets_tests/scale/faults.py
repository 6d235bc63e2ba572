"""A backfill on three hosts, whose runs lose their host, their process, their network and their worker."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import psutil
import psycopg
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

from taxi_assets.catalog import TABLE_STORES, Dataset, Layer
from taxi_assets.month import Month
from taxi_assets.stores.base import TableSlice
from taxi_assets.stores.lake.gcs.client import open_client
from taxi_assets.stores.lake.gcs.store import GCSLake
from taxi_assets_tests.daemon.backfills import Backfill, expected_rows
from taxi_assets_tests.daemon.fleet import Fleet, Run, Worker

from .hosts import Host

SECONDS = 1800
_LOOK = 0.5
_RUNS = """
query ($backfill: String!) {
  runsOrError(filter: {tags: [{key: "dagster/backfill", value: $backfill}]}) {
    ... on Runs { results { runId status tags { key value } } }
  }
}"""


@dataclass
class Lab:
    """The fleet, its hosts, and the worker on each.

    Attributes:
        machine: the services on the hub.
        hosts: the machines of the workers.
        workers: host's name -> its worker.
    """

    machine: Fleet
    hosts: Sequence[Host]
    workers: dict[str, Worker] = field(default_factory=dict)

    def start(self, host: Host) -> None:
        """Start the host's worker, with a home of its own."""
        home = self.machine.folder / host.name
        home.mkdir(exist_ok=True)
        self.workers[host.name] = self.machine.worker(host.name, prefix=host.prefix, TAXI_HOME=str(home))

    def run_on(self, host: Host, backfill: Backfill) -> Run:
        """A run of the backfill that downloads its month on the host."""
        give_up = time.monotonic() + SECONDS
        while time.monotonic() < give_up:
            for one in self.machine.ask(_RUNS, backfill=backfill.id)["runsOrError"]["results"]:
                run = Run(self.machine, one["runId"])
                if one["status"] == "STARTED" and run.worker == host.name:
                    return run
            if backfill.seen().is_over:
                break
            time.sleep(_LOOK)
        raise TimeoutError(f"no run on {host.name}: take more months")


@dataclass(frozen=True)
class Outcome:
    """What became of a run to which something was done.

    Attributes:
        fault: what was done.
        run: to which run.
        noticed: seconds until it was given up; None: it was not.
        ended: seconds until its process had ended, where that was waited for.
    """

    fault: str
    run: Run
    noticed: float | None
    ended: float | None = None

    def __str__(self) -> str:
        given_up = "not given up" if self.noticed is None else f"given up after {self.noticed:.0f} s"
        process = "" if self.ended is None else f", its process had ended itself after {self.ended:.0f} s"
        return f"{self.fault}: {given_up}{process}; now {self.run.status}"


def faults(lab: Lab, backfill: Backfill) -> Iterator[Outcome]:
    """Do everything to runs of the backfill, one after the other."""
    first, second, third = lab.hosts
    yield _cut(lab, second, backfill, 150)
    yield _cut(lab, first, backfill, 30)
    yield _cut(lab, second, backfill, 60)
    run = lab.run_on(third, backfill)
    lab.workers[third.name].kill()
    yield Outcome("worker and its runs killed", run, _seconds_until(lambda: run.status == "FAILURE"))
    lab.start(third)
    run = lab.run_on(first, backfill)
    lab.machine.kill_process_of(run)
    yield Outcome("process of the run killed", run, _seconds_until(lambda: run.status == "FAILURE"))
    run = lab.run_on(second, backfill)
    worker = lab.workers[second.name]
    worker.drain()
    _seconds_until(lambda: worker.process.poll() is not None)
    yield Outcome("worker drained", run, None if run.status == "SUCCESS" else 0.0)
    lab.start(second)


def _cut(lab: Lab, host: Host, backfill: Backfill, seconds: float) -> Outcome:
    run = lab.run_on(host, backfill)
    process = psutil.Process(lab.machine.process_of(run))
    host.cut()
    began, noticed, ended = time.monotonic(), None, None
    while time.monotonic() < began + seconds:
        if noticed is None and run.status == "FAILURE":
            noticed = time.monotonic() - began
        if ended is None and not _is_alive(process):
            ended = time.monotonic() - began
        time.sleep(_LOOK)
    host.restore()
    if noticed is None:
        run.wait("SUCCESS", "FAILURE", seconds=SECONDS)
    return Outcome(f"host cut off for {seconds:.0f} s", run, noticed, ended if noticed else None)


def _is_alive(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def _seconds_until(happens: Callable[[], bool]) -> float:
    began = time.monotonic()
    while not happens():
        if time.monotonic() > began + SECONDS:
            raise TimeoutError(f"not within {SECONDS} s")
        time.sleep(_LOOK)
    return time.monotonic() - began


def problems(lab: Lab, dataset: Dataset, months: Sequence[Month]) -> list[str]:
    """Months that are not right in a store, and loads that were made twice."""
    variables = lab.machine.environment
    lake = GCSLake(open_client, variables["TAXI_LAKE"].split("/")[2], "lake", lab.machine.folder)
    client = bigquery.Client("project", credentials=AnonymousCredentials())
    with psycopg.connect(variables["TAXI_POSTGRES"]) as connection:
        found = []
        for month in months:
            wanted = expected_rows(dataset, month)[0]
            day = f"'{month}-01'"
            rows = f"SELECT count(*) FROM {{}}.{dataset.table} WHERE source_month = {day}"
            lines = f"SELECT table_name, count(*) FROM {{}}.load_audit WHERE source_month = {day} GROUP BY 1"
            in_stores = {
                "lake": lake.count(TableSlice(dataset.path(Layer.CLEAN), month)),
                "Postgres": connection.execute(rows.format("taxi")).fetchone()[0],
                "BigQuery": next(iter(client.query_and_wait(rows.format("scale"))))[0],
            }
            found += [f"{store} has {count} rows of {month}" for store, count in in_stores.items() if count != wanted]
            for store, audited in (
                ("Postgres", connection.execute(lines.format("taxi")).fetchall()),
                ("BigQuery", [tuple(row) for row in client.query_and_wait(lines.format("scale"))]),
            ):
                found += [f"{store} was given {name} {month} {count} times" for name, count in audited if count != 1]
                found += [f"{store} has {len(audited)} tables of {month}"] if len(audited) != len(TABLE_STORES) else []
    return found
