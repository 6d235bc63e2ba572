"""Machines whose runs Celery workers execute: the services of deploy/, RabbitMQ, and workers that can be killed."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import psycopg

from taxi_assets_tests.servers.rabbitmq import RabbitServer

from .machines import PROJECT, SECONDS_BETWEEN_QUESTIONS, Server, command_of

DEPLOY = PROJECT / "deploy" / "celery"
_LAUNCH = """
mutation ($parameters: ExecutionParams!) {
  launchPipelineExecution(executionParams: $parameters) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
    ... on RunConfigValidationInvalid { errors { message } }
  }
}"""
_STATUS = """
query ($run: ID!) { runOrError(runId: $run) { ... on Run { status } } }"""
_MESSAGES = """
query ($run: ID!) {
  logsForRun(runId: $run) { ... on EventConnection { events { __typename ... on MessageEvent { message } } } }
}"""
_RETRIES = """
query ($run: String!) {
  runsOrError(filter: {tags: [{key: "dagster/parent_run_id", value: $run}]}) {
    ... on Runs { results { runId status } }
  }
}"""
_TERMINATE = """
mutation ($run: String!, $policy: TerminateRunPolicy!) {
  terminateRun(runId: $run, terminatePolicy: $policy) { __typename ... on TerminateRunFailure { message } }
}"""


@dataclass(frozen=True)
class Run:
    """A run of the fleet, as the webserver shows it."""

    machine: Server
    id: str

    @property
    def status(self) -> str:
        return str(self.machine.ask(_STATUS, run=self.id)["runOrError"]["status"])

    @property
    def messages(self) -> str:
        events = self.machine.ask(_MESSAGES, run=self.id)["logsForRun"]["events"]
        return "\n".join(event.get("message") or "" for event in events)

    @property
    def worker(self) -> str:
        """The name of the worker that has taken it."""
        return self.messages.partition("Worker worker@")[2].partition(" ")[0]

    @property
    def retries(self) -> list["Run"]:
        found = self.machine.ask(_RETRIES, run=self.id)["runsOrError"]["results"]
        return [Run(self.machine, one["runId"]) for one in found]

    def terminate(self, policy: str = "SAFE_TERMINATE") -> None:
        """As the UI's *Terminate*, or with its *Force termination*."""
        answer = self.machine.ask(_TERMINATE, run=self.id, policy=policy)["terminateRun"]
        assert answer["__typename"] == "TerminateRunSuccess", answer

    def wait(self, *statuses: str, seconds: float = 120) -> "Run":
        """Come back when it has one of these statuses."""
        until(lambda: self.status in statuses, seconds, lambda: f"{self.status}, not {statuses}: {self.messages}")
        return self


def until(happens: Callable[[], bool], seconds: float, otherwise: Callable[[], str]) -> None:
    """Come back when it happens."""
    give_up = time.monotonic() + seconds
    while not happens():
        if time.monotonic() > give_up:
            raise TimeoutError(otherwise())
        time.sleep(SECONDS_BETWEEN_QUESTIONS)


@dataclass(frozen=True)
class Worker:
    """A worker with its log."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def runs(self) -> list[psutil.Process]:
        """The processes that execute runs, or wait for one."""
        with suppress(psutil.NoSuchProcess):
            return psutil.Process(self.process.pid).children()
        return []

    def drain(self) -> None:
        """Ask it to end, as systemd does: it takes nothing more, and its runs go on."""
        self.process.terminate()

    def end(self) -> None:
        """Drain it, and come back when it has ended."""
        self.drain()
        assert self.process.wait(60) == 0, self.log.read_text()[-4000:]

    def kill(self) -> None:
        """Kill it with its runs, as systemd does when it is gone, or the machine."""
        runs = self.runs
        self.process.kill()
        for process in runs:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.wait()


class Fleet(Server):
    """The services of deploy/ with the instance of deploy/celery.

    Args:
        folder: of its own.
        storage: URL of a database for Dagster's records.
        broker: the broker of the runs.
        stores: the variables of the stores and of the source.
    """

    deployment = DEPLOY / "dagster.yaml"

    def __init__(self, folder: Path, storage: str, broker: RabbitServer, stores: Mapping[str, str]) -> None:
        super().__init__(folder, stores["TAXI_SOURCE"], storage)
        self.environment |= {
            **stores,
            "TAXI_CELERY_BROKER": broker.url,
            # As environment.example for the daemon's machine: how often it looks for killed runs.
            "DAGSTER_EVENT_LOG_CONSUMER_DAEMON_INTERVAL_SECONDS": "5",
        }
        self.storage = storage
        self.broker = broker

    def worker(self, name: str, places: int = 1, prefix: Sequence[str] = (), **variables: str) -> Worker:
        """Start a worker by the command line of its unit, and come back when it takes runs.

        Args:
            name: of its host.
            places: runs at a time.
            prefix: a command that runs it elsewhere.
            variables: of its environment that are not the daemon's.
        """
        changes = {"%H": name, "--concurrency 3": f"--concurrency {places}"}
        command = command_of(DEPLOY / "taxi-worker.service", changes)
        log = self.folder / f"{name}-{time.monotonic_ns()}.log"
        log.touch()
        worker = Worker(self._launch(*prefix, *command, "--logfile", log, **variables), log)
        until(lambda: " ready." in log.read_text(), 60, lambda: log.read_text()[-4000:] + self.log.read_text()[-4000:])
        return worker

    def launch(self, job: str, month: str, *assets: str, **tags: str) -> Run:
        """Request a run of the assets of the month, or of all of the job, as the UI's launchpad does."""
        selection = {"assetSelection": [{"path": asset.split("/")} for asset in assets]} if assets else {}
        parameters = {
            "selector": {
                "repositoryLocationName": "taxi_assets",
                "repositoryName": "__repository__",
                "pipelineName": job,
                **selection,
            },
            "runConfigData": {},
            "executionMetadata": {
                "tags": [{"key": key, "value": value} for key, value in {"dagster/partition": month, **tags}.items()]
            },
        }
        answer: dict[str, Any] = self.ask(_LAUNCH, parameters=parameters)["launchPipelineExecution"]
        assert answer["__typename"] == "LaunchRunSuccess", answer
        return Run(self, answer["run"]["runId"])

    def process_of(self, run: Run) -> int:
        """The process that executes the run, as Dagster recorded it."""
        query = "SELECT event FROM event_logs WHERE run_id = %s AND event LIKE %s"
        with psycopg.connect(self.storage.replace("+psycopg2", "")) as connection:
            [(event,)] = connection.execute(query, [run.id, "%Started process for run (pid: %"])
        return int(event.partition("Started process for run (pid: ")[2].partition(")")[0])

    def kill_process_of(self, run: Run) -> None:
        """Kill the run's process, as the kernel does that has no memory left."""
        os.kill(self.process_of(run), signal.SIGKILL)


@contextmanager
def fleet(folder: Path, storage: str, broker: RabbitServer, stores: Mapping[str, str]) -> Iterator[Fleet]:
    """One that runs, without a worker yet."""
    machine = Fleet(folder, storage, broker, stores)
    try:
        machine.start()
        yield machine
    finally:
        machine.stop()
