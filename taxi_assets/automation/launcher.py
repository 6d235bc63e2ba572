"""Run launcher with run-worker health checks for local processes; `dagster.yaml` names it.

Dagster's default launcher leaves health checks to the code server that started the process. After a power cut that
server is gone too, and a killed `taxi run` never had one: such a run would stay "started" and occupy its place in the
queue. The daemon's run monitoring calls this launcher instead.
"""

import time

import dagster as dg

from taxi_assets.automation.dagster_internals import CheckRunHealthResult, LaunchRunContext, WorkerStatus
from taxi_assets.automation.run_worker import HOST, PROCESS, SECONDS_TO_START, dead_process, host
from taxi_assets.resources.pools import ensure_pools_of


class LocalRunLauncher(dg.DefaultRunLauncher):
    """`DefaultRunLauncher` with health checks, for a daemon in the same machine and container as its runs."""

    def launch_run(self, context: LaunchRunContext) -> None:
        """Launch the run, and tag it with the host; its pools exist by then."""
        ensure_pools_of(self._instance, context.dagster_run)
        self._instance.add_run_tags(context.dagster_run.run_id, {HOST: host()})
        super().launch_run(context)

    @property
    def supports_check_run_worker_health(self) -> bool:
        """True: enables run-worker health checks."""
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Whether the process that the run recorded is alive."""
        return local_process_health(self._instance, run)


def local_process_health(instance: dg.DagsterInstance, run: dg.DagsterRun) -> CheckRunHealthResult:
    """Whether the process that the run recorded is alive; a process of another machine counts as alive."""
    if PROCESS in run.tags and run.tags.get(HOST) != host():
        return CheckRunHealthResult(WorkerStatus.RUNNING, "its process runs on another machine")
    try:
        pid = dead_process(instance, run)
    except LookupError:
        record = instance.get_run_record_by_id(run.run_id)
        if record is None or record.start_time is None or time.time() < record.start_time + SECONDS_TO_START:
            return CheckRunHealthResult(WorkerStatus.RUNNING, "it has not recorded a process yet")
        return CheckRunHealthResult(WorkerStatus.NOT_FOUND, "it never recorded a process")
    if pid is None:
        return CheckRunHealthResult(WorkerStatus.RUNNING)
    return CheckRunHealthResult(WorkerStatus.NOT_FOUND, f"its process {pid} is gone")
