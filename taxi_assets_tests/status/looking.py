"""Looking at a world as `taxi` does, and doing to it what a test needs."""

import json
from collections.abc import Sequence
from typing import Any

import dagster as dg
from click.testing import CliRunner, Result

from taxi_assets.catalog import Layer
from taxi_assets.cli.main import main
from taxi_assets.month import Month
from taxi_assets_tests.automation.world import GREEN, World

THIS_MONTH = Month.current()
FIRST, SECOND, THIRD, LAST = (str(THIS_MONTH.plus(-ago)) for ago in (6, 5, 4, 3))  # LAST is what came out last
CLEANED = (Layer.QUARANTINE, Layer.DIFF, Layer.CLEAN)
NOT_OUT = str(THIS_MONTH.plus(-2))
EVERYWHERE = {"lake", "postgres", "warehouse"}


def taxi(*arguments: str) -> Result:
    """Run the command in this process."""
    return CliRunner().invoke(main, list(arguments), catch_exceptions=False)


def document(*arguments: str) -> dict[str, Any]:
    """What the command says as JSON."""
    return json.loads(taxi(*arguments, "--json").stdout)


def states(month: str, *arguments: str) -> dict[str, str]:
    """Store -> the state of the month of green there."""
    slices = document("status", "green", *arguments)["slices"]
    return {one["store"]: one["state"] for one in slices if one["month"] == month}


def everywhere(state: str) -> dict[str, str]:
    return dict.fromkeys(EVERYWHERE, state)


def make(world: World, month: str, *layers: Layer, rules: Sequence[str] = ()) -> dg.ExecuteInProcessResult:
    """Run the month's job for some of its assets."""
    return world.definitions.resolve_job_def("green_trips_job").execute_in_process(
        partition_key=month,
        instance=world.instance,
        raise_on_error=False,
        asset_selection=[dg.AssetKey(GREEN.key(layer)) for layer in layers],
        run_config={"ops": {"green__clean_trips": {"config": {"rules": list(rules)}}}} if rules else None,
    )
