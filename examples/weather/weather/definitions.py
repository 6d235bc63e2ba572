"""What Dagster loads: `dagster dev` in the project's folder finds it by `pyproject.toml`."""

import os

import dagster as dg

from taxi_assets.io_managers import storable
from weather.assets import daily_summary, readings, stations
from weather.network import StationNetwork
from weather.stores import STORES


@dg.definitions
def defs() -> dg.Definitions:
    """The assets on the store that `WEATHER_STORE` names; refused here if that could not hold them."""
    managers = STORES[os.environ.get("WEATHER_STORE", "duckdb")]()
    resources = {**managers, "network": StationNetwork()}
    assets = [stations, readings, daily_summary]
    return storable(dg.Definitions(assets=assets, resources=resources, executor=dg.in_process_executor))
