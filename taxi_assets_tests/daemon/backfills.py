"""Asset backfills through the webserver's GraphQL, with faults on the way, and what the stores hold afterwards."""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import psutil
import psycopg
import pyarrow.parquet as pq

from taxi_assets.catalog import Dataset, Layer, dataset_named
from taxi_assets.month import Month
from taxi_assets.sample import DEFAULT_ROWS, expected_defects
from taxi_assets.stores.postgres.embedded import embedded_url

from .machines import SECONDS_BETWEEN_QUESTIONS, Machine

#: What the shared source of the tests has.
BACKFILLED = GREEN, YELLOW, FHV = tuple(dataset_named(name) for name in ("green", "yellow", "fhv"))
BACKFILLED_MONTHS = tuple(Month(2024, 1).until(Month(2024, 4)))
_CHANCE = random.Random()  # noqa: S311 - picks moments and victims
_WRITING_SECONDS = 60
_SECONDS_TO_NOTICE = 10  # that the process of a run is gone
_LAUNCH = """
mutation ($parameters: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $parameters) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
    ... on Error { message }
  }
}"""
_AGAIN = """
mutation ($parameters: ReexecutionParams!) {
  reexecutePartitionBackfill(reexecutionParams: $parameters) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
    ... on Error { message }
  }
}"""
_STATUS = """
query ($backfill: String!) {
  partitionBackfillOrError(backfillId: $backfill) { ... on PartitionBackfill { status } ... on Error { message } }
  runsOrError(filter: {tags: [{key: "dagster/backfill", value: $backfill}]}) {
    ... on Runs { results { status tags { key value } } }
    ... on Error { message }
  }
}"""

_RUNS = """
query ($job: String!) {
  runsOrError(filter: {pipelineName: $job}) { ... on Runs { results { status } } ... on Error { message } }
}"""

_UNDER_WAY = """{
  runsOrError(filter: {statuses: [QUEUED, NOT_STARTED, STARTING, STARTED, CANCELING]}) {
    ... on Runs { results { id } } ... on Error { message }
  }
}"""


@dataclass(frozen=True)
class Seen:
    """How far a backfill is: its status, and the status of each of its runs with the month that it is for."""

    status: str
    runs: Sequence[tuple[str, str]]

    @property
    def is_over(self) -> bool:
        return self.status not in ("REQUESTED", "CANCELING", "FAILING", "COMPLETING")

    @property
    def counts(self) -> Counter[str]:
        return Counter(status for status, _ in self.runs)

    @property
    def ended(self) -> int:
        """How many of its runs are over, well or not."""
        return self.counts["SUCCESS"] + self.counts["FAILURE"]


class Backfill:
    """One that was launched.

    Args:
        machine: where it runs.
        identifier: by which Dagster knows it.
    """

    def __init__(self, machine: Machine, identifier: str) -> None:
        self.machine = machine
        self.id = identifier

    @classmethod
    def launched(cls, machine: Machine, dataset: Dataset, months: Sequence[Month]) -> "Backfill":
        """All assets of the dataset for those months, as the UI's Materialize asks for them."""
        keys = [{"path": dataset.key(layer)} for layer in Layer]
        parameters = {"assetSelection": keys, "partitionNames": [str(month) for month in months]}
        return cls(machine, _launched(machine.ask(_LAUNCH, parameters=parameters)["launchPartitionBackfill"]))

    def launched_again_from_failure(self) -> "Backfill":
        """What failed in it, as the UI's "Re-execute from failure" asks for it."""
        parameters = {"parentRunId": self.id, "strategy": "FROM_FAILURE"}
        answer = self.machine.ask(_AGAIN, parameters=parameters)["reexecutePartitionBackfill"]
        return Backfill(self.machine, _launched(answer))

    def seen(self) -> Seen:
        answer = self.machine.ask(_STATUS, backfill=self.id)
        runs = [
            (run["status"], next(tag["value"] for tag in run["tags"] if tag["key"] == "dagster/partition"))
            for run in answer["runsOrError"]["results"]
        ]
        return Seen(answer["partitionBackfillOrError"]["status"], runs)

    def wait(self, seconds: float, until: Callable[[Seen], bool] = lambda seen: seen.is_over) -> Seen:
        """Come back when it is so far."""
        give_up = time.monotonic() + seconds
        while not until(seen := self.seen()):
            if time.monotonic() > give_up:
                raise TimeoutError(f"{seen} after {seconds} s:\n{self.machine.log.read_text()[-4000:]}")
            time.sleep(SECONDS_BETWEEN_QUESTIONS)
        return seen


def kill_runs(backfill: Backfill, kills: int, seconds: float) -> None:
    """Kill so many of its runs, each at a moment of its own, and see each of them fail."""
    give_up = time.monotonic() + seconds
    failed = backfill.seen().counts["FAILURE"]
    enough = failed + kills
    while failed < enough:
        if backfill.seen().is_over or time.monotonic() > give_up:
            raise TimeoutError(f"{enough - failed} of {kills} runs could not be killed: {backfill.seen()}")
        time.sleep(_CHANCE.uniform(0.2, 1.5))  # a small month takes two
        runs = backfill.machine.runs()
        if runs:
            ended = backfill.seen().ended
            try:
                _CHANCE.choice(runs).kill()
            except psutil.NoSuchProcess:
                continue
            # The code server looks twice a second, where it has the time. A process that had done its work is no loss.
            with suppress(TimeoutError):
                backfill.wait(_SECONDS_TO_NOTICE, until=lambda seen, ended=ended: seen.ended > ended)
            failed = backfill.seen().counts["FAILURE"]


def runs_of(machine: Machine, job: str) -> list[str]:
    """The status of each run of the job, newest first."""
    return [run["status"] for run in machine.ask(_RUNS, job=job)["runsOrError"]["results"]]


def runs_are_over(machine: Machine) -> bool:
    """Whether no run waits or is under way."""
    return machine.ask(_UNDER_WAY)["runsOrError"]["results"] == []


def expected_rows(dataset: Dataset, month: Month) -> tuple[int, int]:
    """Clean and quarantined rows of the sample's month under the default rules."""
    dirt = expected_defects(dataset, month)
    rejected = sum(rows for rule, rows in dirt.items() if rule not in ("no_passengers", "no_distance"))
    return DEFAULT_ROWS - rejected, rejected


def stored_rows(machine: Machine, dataset: Dataset, months: Sequence[Month]) -> dict[str, dict[Month, int]]:
    """What each store holds: store -> month -> rows, read past all of the project's own code.

    Of the lake it is those months, and of the tables all of their years, where others would be seen too.
    """
    years = {month.year for month in months}

    def found(rows: Iterable[tuple[Any, int]]) -> dict[Month, int]:
        return {Month.of(day): count for day, count in rows if not years or day.year in years}

    lake = machine.home / "lake"
    query = f"SELECT source_month, count(*) FROM taxi.{dataset.table} GROUP BY 1"
    with _opened(machine.home / "warehouse.duckdb") as connection:
        warehouse = found(connection.execute(query).fetchall())
    with psycopg.connect(embedded_url(machine.home / "postgres")) as connection:
        postgres = found(connection.execute(query))
    return {
        **{
            name: {
                month: sum(
                    pq.read_metadata(path).num_rows
                    for path in (lake / dataset.path(layer) / f"month={month}").glob("*.parquet")
                )
                for month in months
            }
            for name, layer in (("clean", Layer.CLEAN), ("quarantine", Layer.QUARANTINE))
        },
        "postgres": postgres,
        "warehouse": warehouse,
    }


def _opened(file: Path) -> duckdb.DuckDBPyConnection:
    """The warehouse, once no run that writes into it has it open."""
    give_up = time.monotonic() + _WRITING_SECONDS
    while True:
        try:
            return duckdb.connect(file, read_only=True)
        except duckdb.IOException as error:
            if "Conflicting lock" not in str(error) or time.monotonic() > give_up:
                raise
        time.sleep(0.1)


def expected_store(dataset: Dataset, months: Sequence[Month]) -> dict[str, dict[Month, int]]:
    """What `stored_rows` gives where every month is right and no other month is there."""
    clean = {month: expected_rows(dataset, month)[0] for month in months}
    quarantine = {month: expected_rows(dataset, month)[1] for month in months}
    return {"clean": clean, "quarantine": quarantine, "postgres": clean, "warehouse": clean}


def _launched(answer: dict[str, Any]) -> str:
    """The backfill's id, from what the webserver said when it was asked for it."""
    assert answer["__typename"] == "LaunchBackfillSuccess", answer
    return answer["backfillId"]
