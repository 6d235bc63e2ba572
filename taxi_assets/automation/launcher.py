"""Runs on this machine, and a way to see which of them lost their process.

Dagster's launcher leaves that to the code server that started the process. Nobody notices where the server is gone too,
as after a power cut, or never was, as for a killed `taxi run`: such a run would be "started" for ever, and keep its
place in the queue. `dagster.yaml` names the launcher, and the daemon's run monitoring asks it.
"""

import time

import dagster as dg
from dagster._core.launcher.base import (
    CheckRunHealthResult,
    LaunchRunContext,
    WorkerStatus,
)  # what run monitoring wants has no public name

from taxi_assets.automation.run_worker import HOST, PROCESS, SECONDS_TO_START, host, process_that_is_gone


class LocalRunLauncher(dg.DefaultRunLauncher):
    """Dagster's own launcher, for a daemon that sees the processes of its runs: one machine, no container between."""

    def launch_run(self, context: LaunchRunContext) -> None:
        """Launch the run, with a tag that says where."""
        self._instance.add_run_tags(context.dagster_run.run_id, {HOST: host()})
        super().launch_run(context)

    @property
    def supports_check_run_worker_health(self) -> bool:
        """It does."""
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Whether the process that the run told of is there."""
        if PROCESS in run.tags and run.tags.get(HOST) != host():
            return CheckRunHealthResult(WorkerStatus.RUNNING, "it is made by a process of another machine")
        try:
            pid = process_that_is_gone(self._instance, run)
        except LookupError:
            record = self._instance.get_run_record_by_id(run.run_id)
            if record is None or record.start_time is None or time.time() < record.start_time + SECONDS_TO_START:
                return CheckRunHealthResult(WorkerStatus.RUNNING, "it has not told of a process yet")
            return CheckRunHealthResult(WorkerStatus.NOT_FOUND, "it never told of a process")
        if pid is None:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.NOT_FOUND, f"its process {pid} is gone")
