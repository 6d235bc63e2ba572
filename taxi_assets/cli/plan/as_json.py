"""JSON output of `taxi plan`; docs/status.md describes the document."""

import json

from taxi_assets.cli.plan.collect import Plan
from taxi_assets.cli.plan.costs import Cost


def as_json(plan: Plan, *, synthetic: bool) -> str:
    """One JSON document, with an entry for months in a row; `synthetic` is the home's."""
    load = [
        {
            "dataset": group.problem.dataset,
            "first_month": str(group.problem.first),
            "last_month": str(group.problem.last),
            "states": group.problem.states,
            "why": group.problem.why,
            "rules": group.problem.rules,
            **_cost(group.cost),
        }
        for group in plan.groups
    ]
    return json.dumps(
        {
            "synthetic": synthetic,
            "load": load,
            "total": _cost(plan.cost),
            "under_way": [
                {"dataset": one.dataset, "first_month": str(one.first), "last_month": str(one.last)}
                for one in plan.in_progress
            ],
            "not_published": {name: list(map(str, months)) for name, months in plan.not_published.items()},
            "silent": plan.silent,
        },
        indent=1,
    )


def _cost(cost: Cost) -> dict[str, object]:
    return {
        "files": cost.files,
        "download_bytes": cost.download_bytes,
        "download_is_estimated": cost.is_estimated,
        "rows": cost.rows,
        "seconds": None if cost.seconds is None else round(cost.seconds, 1),
        "bigquery_bytes": cost.bigquery_bytes,
    }
