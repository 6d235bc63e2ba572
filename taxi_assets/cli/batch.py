"""Runs of one command, one after the other, and what is said and recorded where a signal ends them."""

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
    """Make the runs and wait for each; a signal ends the process here, with the run in hand recorded as canceled.

    Args:
        requests: what to run.
        definitions: with the requests' jobs.
        instance: records the runs; those that were killed earlier are recorded as failed first.
        screen: shows how far they are.
        again: the command that makes the runs that are left.
    """
    report_dead_runs(instance)
    ids = [str(uuid4()) for _ in requests]
    outcomes: list[Outcome] = []

    def say(signal_name: str) -> None:
        done = list(outcomes)
        left = requests[len(done) :]
        screen.print_interrupted(signal_name, done, left, again)
        if left:
            cancel(instance, ids[len(done)], signal_name)

    with interrupts.on_interrupt(say):
        for request, run_id in zip(requests, ids, strict=True):
            outcomes.append(run(definitions, instance, request, console.LOGGER, run_id))
            interrupts.checkpoint()
    return outcomes
