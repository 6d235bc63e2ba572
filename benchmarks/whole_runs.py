"""Whole processes: `taxi run` of a month, and a run of an asset that does nothing in the same Dagster instance."""

import sys
from collections.abc import Mapping
from pathlib import Path

from benchmarks.measuring import Cost, cost_of_command
from taxi_assets.catalog import Dataset
from taxi_assets.month import Month

_EMPTY = """
import dagster as dg
from taxi_assets.cli.instance import instance_of
from taxi_assets.settings import Settings

@dg.asset
def empty() -> None: pass

job = dg.define_asset_job("empty_job", [empty])
definitions = dg.Definitions([empty], jobs=[job], executor=dg.in_process_executor)
with instance_of(Settings.from_environment()) as instance:
    definitions.resolve_job_def("empty_job").execute_in_process(instance=instance)
"""


class WholeRuns:
    """A home, and commands in it; its embedded server is started and stopped by each command, as for a user.

    Args:
        home: the folder, created by the first run.
        source: a folder laid out as TLC's.
        variables: further variables of the commands.
    """

    def __init__(self, home: Path, source: Path, variables: Mapping[str, str]) -> None:
        self._source = source
        self._variables = {"TAXI_HOME": str(home), **variables}

    def run(self, dataset: Dataset, month: Month) -> Cost:
        """`taxi run`: all assets in all stores, and their checks."""
        taxi = Path(sys.executable).parent / "taxi"
        return cost_of_command([taxi, "run", dataset.name, str(month), "--source", self._source], self._variables)

    def empty(self) -> Cost:
        """What Dagster takes for a run in which nothing is to be done: to start, to open the instance, to record it."""
        return cost_of_command([sys.executable, "-c", _EMPTY], self._variables)
