"""Whether the process of a run that is under way still lives, and what is recorded where it does not.

A process that is killed cannot say so, and its run would be "started" for ever: the daemon's run monitoring looks after
that, but no daemon need be there. So whoever comes next looks as well: `taxi run`, `taxi check`, `taxi status`. Only
processes of this machine can be judged; the run's tags tell where it runs.
"""

import os
import socket
import time
from contextlib import suppress
from pathlib import Path

import dagster as dg
import psutil
from dagster._core.storage.runs import SqliteRunStorage  # which storage an instance has is told by no public name

HOST = "taxi/host"
PROCESS = "taxi/process"  # of a run that was not launched, but is made by the process that asked for it
SECONDS_TO_START = 180  # as run_monitoring.start_timeout_seconds in dagster.yaml
_WITH_A_PROCESS = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def tags_of_this_process() -> dict[str, str]:
    """The tags of a run that this process makes itself."""
    return {HOST: host(), PROCESS: f"{os.getpid()} {psutil.Process().create_time()}"}


def host() -> str:
    """The machine, or the container: where a process number means something."""
    namespace = ""
    with suppress(OSError):  # not Linux
        namespace = str(Path("/proc/self/ns/pid").readlink())
    return f"{socket.gethostname()} {namespace}".strip()


def report_dead_runs(instance: dg.DagsterInstance) -> None:
    """Record as failed, or canceled where that was asked for, each run of this machine whose process is gone."""
    for record in instance.get_run_records(dg.RunsFilter(statuses=_WITH_A_PROCESS)):
        why = _why_it_is_dead(instance, record)
        if why is None:
            continue
        run = instance.get_run_by_id(record.dagster_run.run_id)
        if run is None or run.status != record.dagster_run.status:
            continue  # the daemon, or the run itself, was quicker
        if run.status == dg.DagsterRunStatus.CANCELING:
            instance.report_run_canceled(run, why)
        else:
            instance.report_run_failed(run, why)


def process_that_is_gone(instance: dg.DagsterInstance, run: dg.DagsterRun) -> int | None:
    """The number of the run's process if it is known and gone; None if it lives.

    Raises:
        LookupError: the run has not told of a process.
    """
    if PROCESS in run.tags:
        pid, created = run.tags[PROCESS].split()
        return None if _was_there(int(pid), float(created)) else int(pid)
    for entry in instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT):
        event = entry.get_dagster_event()
        pid_of_event = event.engine_event_data.metadata.get("pid")
        if pid_of_event is not None:
            number = int(str(pid_of_event.value))
            return None if _was_there(number, entry.timestamp) else number
    raise LookupError(run.run_id)


def _why_it_is_dead(instance: dg.DagsterInstance, record: dg.RunRecord) -> str | None:
    run = record.dagster_run
    is_local = isinstance(instance.run_storage, SqliteRunStorage) if HOST not in run.tags else run.tags[HOST] == host()
    if not is_local:
        return None
    try:
        pid = process_that_is_gone(instance, run)
    except LookupError:
        begun = record.start_time or record.create_timestamp.timestamp()
        if time.time() < begun + SECONDS_TO_START:
            return None
        return f"it has not told of a process in {SECONDS_TO_START} seconds: it was killed while it began"
    return None if pid is None else f"its process {pid} is gone: it was killed, or the machine was switched off"


def _was_there(pid: int, moment: float) -> bool:
    """Whether the process of that number is the one of that moment, and not a later one under the same number."""
    try:
        process = psutil.Process(pid)
        # A second's leave: the same process's creation is computed from the boot time, which the clock's changes move.
        return bool(process.create_time() <= moment + 1 and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
