"""What its checks add to a run."""

import logging
from pathlib import Path

import dagster as dg

from benchmarks.measuring import Cost, cost_of
from taxi_assets.catalog import Dataset
from taxi_assets.checks import trips_checks
from taxi_assets.cli.overlapping_steps import overlapping_steps
from taxi_assets.cli.runs import instance_of
from taxi_assets.definitions import build_definitions
from taxi_assets.jobs import trips_job_name
from taxi_assets.month import Month
from taxi_assets.settings import Settings
from taxi_assets.stores.postgres.embedded import embedded_url

_WITHOUT = "without_checks"


class Checking:
    """A home whose embedded server runs for as long as this process does, and runs of one month in this process."""

    def __init__(self, work: Path, dataset: Dataset, month: Month) -> None:
        self._settings = Settings.from_environment(
            {"TAXI_HOME": str(work / "checked"), "TAXI_SOURCE": str(work / "source")}
        )
        self._job, self._month = trips_job_name(dataset), str(month)
        every = dg.AssetSelection.groups(dataset.name)
        checks = dg.AssetSelection.checks(*(key for check in trips_checks(dataset) for key in check.check_keys))
        self._definitions = dg.Definitions.merge(
            build_definitions(self._settings, {"quiet": _quiet}),
            dg.Definitions(jobs=[dg.define_asset_job(_WITHOUT, every - checks)]),
        )
        embedded_url(self._settings.postgres.folder)
        self.with_checks()  # what is imported once is imported

    def with_checks(self) -> Cost:
        """The run as it is made always."""
        return self._cost(self._job)

    def without_checks(self) -> Cost:
        """The same assets, none of them checked."""
        return self._cost(_WITHOUT)

    def _cost(self, job: str) -> Cost:
        server = int((self._settings.postgres.folder / "postmaster.pid").read_text().split()[0])
        with instance_of(self._settings) as instance, overlapping_steps():
            return cost_of(
                lambda: self._definitions.resolve_job_def(job).execute_in_process(
                    instance=instance, partition_key=self._month, run_config={"loggers": {"quiet": {"config": {}}}}
                ),
                server,
            )


@dg.logger
def _quiet(context: dg.InitLoggerContext) -> logging.Logger:
    del context
    return logging.getLogger("benchmarks.quiet")
