"""Detects runs whose process died, and records them as failed or canceled.

A killed process leaves its run "started". The daemon's run monitoring finds such runs, but a daemon need not run, so
`taxi run`, `taxi check` and `taxi status` look for them as well. Only processes of this machine can be examined; a
run's tags identify its host.
"""

import os
import socket
import time
from contextlib import suppress
from pathlib import Path

import dagster as dg
import psutil

from taxi_assets.automation.dagster_internals import has_sqlite_run_storage
from taxi_assets.resources.pools import free_slots_of_ended_runs

HOST = "taxi/host"
PROCESS = "taxi/process"  # of a run that executes in the process that requested it, without a launcher
SECONDS_TO_START = 180  # as run_monitoring.start_timeout_seconds in dagster.yaml
_WITH_A_PROCESS = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def process_tags() -> dict[str, str]:
    """The tags of a run that executes in this process."""
    return {HOST: host(), PROCESS: f"{os.getpid()} {psutil.Process().create_time()}"}


def host() -> str:
    """The host and its PID namespace: the scope in which a process id is valid."""
    namespace = ""
    with suppress(OSError):  # not Linux
        namespace = str(Path("/proc/self/ns/pid").readlink())
    return f"{socket.gethostname()} {namespace}".strip()


def report_dead_runs(instance: dg.DagsterInstance) -> None:
    """Record each run of this machine whose process is gone as failed, or as canceled if cancellation was requested.

    The slots that ended runs hold in Dagster's pools are freed.
    """
    for record in instance.get_run_records(dg.RunsFilter(statuses=_WITH_A_PROCESS)):
        why = _reason_of_death(instance, record)
        if why is None:
            continue
        run = instance.get_run_by_id(record.dagster_run.run_id)
        if run is None or run.status != record.dagster_run.status:
            continue  # the daemon or the run itself has recorded its end meanwhile
        if run.status == dg.DagsterRunStatus.CANCELING:
            instance.report_run_canceled(run, why)
        else:
            instance.report_run_failed(run, why)
    free_slots_of_ended_runs(instance)


def dead_process(instance: dg.DagsterInstance, run: dg.DagsterRun) -> int | None:
    """The id of the run's process if that is gone; None if it is alive.

    Raises:
        LookupError: the run has not recorded a process.
    """
    if PROCESS in run.tags:
        pid, created = run.tags[PROCESS].split()
        return None if _is_same_process(int(pid), float(created)) else int(pid)
    for entry in instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT):
        event = entry.get_dagster_event()
        pid_of_event = event.engine_event_data.metadata.get("pid")
        if pid_of_event is not None:
            number = int(str(pid_of_event.value))
            return None if _is_same_process(number, entry.timestamp) else number
    raise LookupError(run.run_id)


def _reason_of_death(instance: dg.DagsterInstance, record: dg.RunRecord) -> str | None:
    run = record.dagster_run
    is_local = run.tags[HOST] == host() if HOST in run.tags else has_sqlite_run_storage(instance)
    if not is_local:
        return None
    try:
        pid = dead_process(instance, run)
    except LookupError:
        begun = record.start_time or record.create_timestamp.timestamp()
        if time.time() < begun + SECONDS_TO_START:
            return None
        return f"it recorded no process within {SECONDS_TO_START} seconds: it was killed while it started"
    return None if pid is None else f"its process {pid} is gone: it was killed, or the machine was switched off"


def _is_same_process(pid: int, moment: float) -> bool:
    """Whether the process that had the id at that time is alive, and not a later one with the same id."""
    try:
        process = psutil.Process(pid)
        # One second of tolerance: psutil computes creation times from the boot time, which moves with clock changes.
        return bool(process.create_time() <= moment + 1 and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
