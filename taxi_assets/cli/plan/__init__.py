"""`taxi plan`: months that are missing, stale or failed, why, and what loading them would cost; loads nothing.

`months` chooses them by the states of `cli.status`, `earlier_loads` and `download_sizes` look up what is known of their
cost, `costs` estimates it, and `collect` puts the plan together; `render` and `as_json` print. Submitting a plan is the
work of `cli.backfill`.
"""

from taxi_assets.cli.plan.as_json import as_json
from taxi_assets.cli.plan.collect import Plan, read_plan
from taxi_assets.cli.plan.months import Asked
from taxi_assets.cli.plan.render import print_plan

__all__ = ["Asked", "Plan", "as_json", "print_plan", "read_plan"]
