"""`taxi backfill`: submits a plan to the running daemon as asset backfills, and watches them."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg
from rich.console import Console
from rich.markup import escape

from taxi_assets.automation.backfills import UNDER_WAY, is_daemon_running, request_backfill
from taxi_assets.automation.event_log import BACKFILL, WILL_RETRY
from taxi_assets.automation.run_errors import failed_steps
from taxi_assets.catalog import Dataset
from taxi_assets.cli.plan import Plan
from taxi_assets.cli.runs import user_name
from taxi_assets.errors import InvalidRequest, StoreUnavailable
from taxi_assets.jobs import cleaning_config
from taxi_assets.month import Month
from taxi_assets.partitions import PARTITION_TAG
from taxi_assets.settings import Settings

_SECONDS_BETWEEN_LOOKS = 2


@dataclass(frozen=True)
class Submitted:
    """A backfill that was submitted.

    Attributes:
        id: its id in Dagster.
        dataset: of its months.
        months: oldest first.
        rules: names of the rules that its runs clean by; None for the default set.
    """

    id: str
    dataset: Dataset
    months: Sequence[Month]
    rules: tuple[str, ...] | None

    @property
    def name(self) -> str:
        """Dataset and months, and the rules unless they are the default set."""
        first, *others = self.months
        range_ = f"{first} to {self.months[-1]}, {len(self.months)} months" if others else str(first)
        by = "" if self.rules is None else f" by {','.join(self.rules)}"
        return f"{self.dataset.name} {range_}{by}"


def require_submittable(plan: Plan, instance: dg.DagsterInstance, settings: Settings) -> None:
    """Refuse a plan that is not complete, and an instance without a daemon.

    Raises:
        StoreUnavailable: a store or the source did not answer.
        InvalidRequest: no daemon runs on the instance.
    """
    if plan.silent:
        reasons = "; ".join(f"{name} does not answer: {why}" for name, why in plan.silent.items())
        raise StoreUnavailable(f"nothing was submitted, since the plan is not complete: {reasons}")
    if not is_daemon_running(instance):
        raise InvalidRequest(
            f"no daemon runs on {settings.dagster_home}, so nothing would load the months: "
            "start one with `make dev` (or `taxi dev`) and run this again, or use `taxi run`"
        )


def submit(instance: dg.DagsterInstance, plan: Plan, asset_graph: Callable[[], Any]) -> Iterator[Submitted]:
    """Submit the plan, a backfill for each dataset and each set of rules, and yield each once it is submitted."""
    months: dict[tuple[str, tuple[str, ...] | None], list[Month]] = {}
    datasets = {group.dataset.name: group.dataset for group in plan.groups}
    for group in plan.groups:
        months.setdefault((group.dataset.name, group.problem.rules), []).extend(group.months)
    graph = asset_graph()
    for (name, rules), chosen in months.items():
        dataset = datasets[name]
        one = Submitted("", dataset, chosen, rules)
        backfill = request_backfill(
            instance,
            graph,
            dataset,
            chosen,
            requested_by=f"taxi backfill by {user_name()}",
            title=f"taxi backfill: {one.name}",
            run_config=None if rules is None else cleaning_config(dataset, rules),
        )
        yield Submitted(backfill, dataset, chosen, rules)


def print_submitted(console: Console, submitted: Submitted, ui: str) -> None:
    """Print the backfill's id and link."""
    console.print(f"backfill {submitted.id}: {escape(submitted.name)}", soft_wrap=True)
    console.print(f"  {escape(link_of(submitted, ui))}", soft_wrap=True)


def print_interrupted(console: Console, submitted: Sequence[Submitted]) -> None:
    """Print what becomes of the backfills, which a signal to the command does not end."""
    if submitted:
        console.print(f"no longer watched; the daemon goes on with the backfill{'s' if submitted[1:] else ''}")
    else:
        console.print("nothing was submitted")


def link_of(submitted: Submitted, ui: str) -> str:
    """The backfill's page in the UI."""
    return f"{ui.rstrip('/')}/runs/b/{submitted.id}"


def watch(console: Console, instance: dg.DagsterInstance, submitted: Sequence[Submitted]) -> bool:
    """Print each month when its run has ended, until all backfills are over; True if every month was loaded."""
    watched = [_Watched(instance, one) for one in submitted]
    total = sum(len(one.months) for one in submitted)
    ended, is_warned = 0, False
    while True:
        is_over = all(one.is_over() for one in watched)  # before the runs are read, so that none ends in between
        for one in watched:
            for line in one.news():
                ended += 1
                console.print(f"{ended} of {total}: {line}", soft_wrap=True)
        if is_over or all(one.all_loaded for one in watched):
            break
        if not is_warned and not is_daemon_running(instance):
            is_warned = True
            console.print("[yellow]the daemon has stopped[/yellow]; the backfill goes on when it runs: make dev")
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    for one in watched:
        for line in one.not_loaded():
            console.print(f"[red]{line}[/red]", soft_wrap=True)
    return all(one.all_loaded for one in watched)


class _Watched:
    """One backfill: the newest run of each of its months."""

    def __init__(self, instance: dg.DagsterInstance, submitted: Submitted) -> None:
        self._instance = instance
        self._submitted = submitted
        self._shown: set[str] = set()
        self._newest: dict[Month, dg.DagsterRun] = {}

    def is_over(self) -> bool:
        backfill = self._instance.get_backfill(self._submitted.id)
        return backfill is None or backfill.status not in UNDER_WAY

    @property
    def all_loaded(self) -> bool:
        return all(self._is_loaded(month) for month in self._submitted.months)

    def news(self) -> Iterator[str]:
        """A line for each month whose run has ended since the last call."""
        runs = self._instance.get_runs(dg.RunsFilter(tags={BACKFILL: self._submitted.id}))
        self._newest = {}
        for run in runs:  # newest first
            if PARTITION_TAG in run.tags:
                self._newest.setdefault(Month.parse(run.tags[PARTITION_TAG]), run)
        for month, run in sorted(self._newest.items()):
            if run.is_finished and run.run_id not in self._shown and run.tags.get(WILL_RETRY) != "true":
                self._shown.add(run.run_id)
                yield f"{self._submitted.dataset.name} {month} {self._outcome(run)}"

    def not_loaded(self) -> Iterator[str]:
        for month in self._submitted.months:
            if not self._is_loaded(month):
                yield f"{self._submitted.dataset.name} {month} is not loaded"

    def _is_loaded(self, month: Month) -> bool:
        run = self._newest.get(month)
        return run is not None and run.status == dg.DagsterRunStatus.SUCCESS

    def _outcome(self, run: dg.DagsterRun) -> str:
        if run.status == dg.DagsterRunStatus.SUCCESS:
            return "[green]loaded[/green]"
        entries = self._instance.all_logs(run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
        reasons = [str(step) for step in failed_steps(one.dagster_event for one in entries if one.dagster_event)]
        text = f"{run.status.value.lower().replace('failure', 'failed')}: {'; '.join(reasons)}".rstrip(": ")
        return f"[red]{escape(text)}[/red]"
