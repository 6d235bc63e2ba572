"""Executes the runs of one command in sequence, and records the current one as canceled if a signal ends it."""

from collections.abc import Callable, Sequence
from uuid import uuid4

import dagster as dg

from taxi_assets.automation.run_worker import report_dead_runs
from taxi_assets.cli import console, interrupts
from taxi_assets.cli.runs import Outcome, Request, cancel, run


def run_all(
    requests: Sequence[Request],
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    screen: console.Terminal,
    again: Callable[[Sequence[Request]], str],
) -> list[Outcome]:
    """Execute the runs; a signal ends the process here and records the current run as canceled.

    Args:
        requests: the runs to execute, in order.
        definitions: contain the requests' jobs.
        instance: records the runs; runs that were killed earlier are recorded as failed first.
        screen: shows their progress.
        again: returns the command that executes the remaining runs.
    """
    report_dead_runs(instance)
    ids = [str(uuid4()) for _ in requests]
    outcomes: list[Outcome] = []

    def cancel_current_run(signal_name: str) -> None:
        done = list(outcomes)
        left = requests[len(done) :]
        screen.print_interrupted(signal_name, done, left, again)
        if left:
            cancel(instance, ids[len(done)], signal_name)

    with interrupts.on_interrupt(cancel_current_run):
        for request, run_id in zip(requests, ids, strict=True):
            outcomes.append(run(definitions, instance, request, console.LOGGER, run_id))
            interrupts.block_if_ending()
    return outcomes
