"""What commands cost where every month is loaded."""

import sys
from pathlib import Path

from benchmarks.loaded import load_everything
from benchmarks.measuring import Cost, cost_of_command
from taxi_assets.settings import Settings
from taxi_assets.stores.postgres.embedded import embedded_url

_ONLY_DAGSTER = """
import sys, dagster as dg
with dg.DagsterInstance.from_config(sys.argv[1]) as instance:
    instance.get_runs_count()
"""


class Overview:
    """A home with every month of every dataset; its embedded server runs for as long as this process does.

    Args:
        folder: of a home.
        source: a folder laid out as TLC's, which gets the months that it lacks.

    Attributes:
        folder: as given.
        source: as given.
        months: how many are loaded.
    """

    def __init__(self, folder: Path, source: Path) -> None:
        self.folder = folder
        self.source = source
        self._variables = {"TAXI_HOME": str(folder), "TAXI_SOURCE": str(source)}
        self._settings = Settings.from_environment(self._variables)
        embedded_url(self._settings.postgres.folder)
        self.months = load_everything(self._settings, source)

    def status(self) -> Cost:
        """The whole process of `taxi status`, with the embedded server running."""
        return self._cost([Path(sys.executable).parent / "taxi", "status"])

    def plan(self) -> Cost:
        """The whole process of `taxi plan` with rules that every month differs from, so that it lists all of them."""
        return self._cost([Path(sys.executable).parent / "taxi", "plan", "--rules", "duplicate"])

    def only_dagster(self) -> Cost:
        """A process that imports Dagster, opens its instance and does nothing else."""
        return self._cost([sys.executable, "-c", _ONLY_DAGSTER, self._settings.dagster_home])

    def _cost(self, command: list[str | Path]) -> Cost:
        return cost_of_command(command, self._variables)
