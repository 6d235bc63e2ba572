"""JSON output of `taxi status`; docs/status.md describes the document."""

import json

from taxi_assets.cli.status.problems import problems_of
from taxi_assets.cli.status.states import Status


def as_json(status: Status, *, synthetic: bool) -> str:
    """One JSON document, with an entry for every month in every store that answered; `synthetic` is the home's."""
    slices = [
        {
            "dataset": one.dataset.name,
            "month": str(month),
            "store": store,
            "state": state,
            "why": one.why.get((month, store), ()),
        }
        for one in status.datasets
        for (month, store), state in one.states.items()
    ]
    problems = [
        {
            "dataset": problem.dataset,
            "first_month": str(problem.first),
            "last_month": str(problem.last),
            "states": problem.states,
            "why": problem.why,
            "failed_checks": problem.failed_checks,
            "under_way": problem.is_in_progress,
            "next": problem.next_step,
        }
        for one in status.datasets
        for problem in problems_of(one)
    ]
    return json.dumps(
        {"synthetic": synthetic, "slices": slices, "problems": problems, "silent": status.silent}, indent=1
    )
