"""Runs on this machine, and a way to see which of them lost their process.

Dagster's launcher leaves that to the code server that started the process. Nobody notices where the server is gone too,
as after a power cut, or never was, as for a killed `taxi run`: such a run would be "started" for ever, and keep its
place in the queue and in its pools. `dagster.yaml` names the launcher, and the daemon's run monitoring asks it.
"""

import time

import dagster as dg
import psutil
from dagster._core.launcher.base import (
    CheckRunHealthResult,
    WorkerStatus,
)  # what run monitoring wants has no public name

_SECONDS_TO_TELL = 60  # for a run that has begun to tell of its process: it does so at once, or was killed before


class LocalRunLauncher(dg.DefaultRunLauncher):
    """Dagster's own launcher, for a daemon that sees the processes of its runs: one machine, no container between."""

    @property
    def supports_check_run_worker_health(self) -> bool:
        """It does."""
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Whether the process that the run told of is there."""
        for entry in self._instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT):
            pid = entry.get_dagster_event().engine_event_data.metadata.get("pid")
            if pid is not None:
                if _was_there(int(str(pid.value)), entry.timestamp):
                    return CheckRunHealthResult(WorkerStatus.RUNNING)
                return CheckRunHealthResult(WorkerStatus.NOT_FOUND, f"its process {pid.value} is gone")
        record = self._instance.get_run_record_by_id(run.run_id)
        if record is None or record.start_time is None or time.time() < record.start_time + _SECONDS_TO_TELL:
            return CheckRunHealthResult(WorkerStatus.RUNNING, "it has not told of a process yet")
        return CheckRunHealthResult(WorkerStatus.NOT_FOUND, "it never told of a process")


def _was_there(pid: int, moment: float) -> bool:
    """Whether the process of that number is the one of that moment, and not a later one under the same number."""
    try:
        process = psutil.Process(pid)
        return bool(process.create_time() <= moment and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
