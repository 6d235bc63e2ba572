"""CPU time of `taxi dev` at rest: with every sensor and schedule off, then with all on and a webhook for alerts.

python -m benchmarks.idle [--minutes 5] [--loaded]

The difference is what sensors and schedules take; what is there without them is Dagster's. CPU time does not depend on
what else the machine does, wall time would. A fresh home by default; with --loaded one in which every month of every
dataset is loaded and published, which takes some minutes to make.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import psutil
from rich.console import Console
from rich.table import Table

from benchmarks.loaded import load_everything
from taxi_assets.settings import Settings
from taxi_assets_tests.daemon.watched import webhook
from taxi_assets_tests.servers.process import free_port

_SECONDS_TO_START, _SECONDS_TO_SETTLE = 120, 90
_ROLES = {  # a part of a process's command line -> what it is
    "dagster_webserver": "webserver",
    "dagster._daemon": "daemon",
    "code-server start": "code server, proxy",
    "api grpc": "code server",
    "taxi_assets.cli.dev": "taxi dev itself",
}
_INSTIGATORS = """
{ repositoriesOrError { ... on RepositoryConnection { nodes {
    name location { name }
    sensors { name sensorState { id status } } schedules { name scheduleState { id status } }
} } } }"""
_START_SENSOR = """
mutation ($selector: SensorSelector!) {
  startSensor(sensorSelector: $selector) { __typename ... on Error { message } }
}"""
_START_SCHEDULE = """
mutation ($selector: ScheduleSelector!) {
  startSchedule(scheduleSelector: $selector) { __typename ... on Error { message } }
}"""
_STOP_SENSOR = """
mutation ($id: String!) { stopSensor(id: $id) { __typename ... on PythonError { message } } }"""
_STOP_SCHEDULE = """
mutation ($id: String!) { stopRunningSchedule(id: $id) { __typename ... on PythonError { message } } }"""


def main() -> None:
    """Start it, measure it off and on, and print the CPU time of each process."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.idle", description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--loaded", action="store_true", help="with every month of every dataset loaded")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="taxi-idle-") as folder, webhook() as (hook, _):
        Path(folder).chmod(0o755)  # the embedded server runs as another user where this one is root
        home = Path(folder) / "home"
        variables = {"TAXI_HOME": str(home), "TAXI_SOURCE": str(home / "published"), "TAXI_ALERT_WEBHOOK": hook}
        months = load_everything(Settings.from_environment(variables), home / "published") if asked.loaded else 0
        (home / "published" / "trip-data").mkdir(parents=True, exist_ok=True)
        with _dev(Path(folder), variables) as (process, url):
            _switch_off_everything(url)
            off = _share_of_a_core(process, asked.minutes)
            names = _switch_on_everything(url)
            on = _share_of_a_core(process, asked.minutes)
    table = Table(title=f"{months} months loaded; sensors and schedules: {', '.join(names)}", title_justify="left")
    for column in ("share of one core", "off", "on", "difference"):
        table.add_column(column, justify="left" if column == "share of one core" else "right")
    for role in [*sorted(on, key=lambda role: -on[role]), "all"]:
        without, with_ = (found.total() if role == "all" else found[role] for found in (off, on))
        table.add_row(role, f"{without:.2%}", f"{with_:.2%}", f"{with_ - without:+.2%}")
    Console(width=150).print(table)


def _share_of_a_core(process: psutil.Process, minutes: float) -> Counter[str]:
    """Let it settle, then measure: CPU time over wall time of each role."""
    time.sleep(_SECONDS_TO_SETTLE)
    before, started = _cpu_seconds(process), time.monotonic()
    time.sleep(minutes * 60)
    after, seconds = _cpu_seconds(process), time.monotonic() - started
    return Counter({role: (after[role] - before[role]) / seconds for role in after})


@contextmanager
def _dev(folder: Path, variables: Mapping[str, str]) -> Iterator[tuple[psutil.Process, str]]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TAXI_", "DAGSTER_"))}
    port = free_port()
    command = [Path(sys.executable).parent / "taxi", "dev", "--port", str(port)]
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(command, cwd=folder, env={**kept, **variables}, stdout=log, stderr=log) as process,
    ):
        try:
            give_up = time.monotonic() + _SECONDS_TO_START
            url = f"http://127.0.0.1:{port}"
            while not _is_up(url):
                if time.monotonic() > give_up:
                    raise TimeoutError((folder / "log").read_text()[-4000:])
                time.sleep(1)
            yield psutil.Process(process.pid), url
        finally:
            process.terminate()


def _is_up(url: str) -> bool:
    with suppress(httpx.TransportError, KeyError, TypeError):
        return bool(_ask(url, "{ assetNodes { id } }")["assetNodes"])
    return False


def _switch_on_everything(url: str) -> list[str]:
    """Start each sensor and schedule that is off; the names of all."""
    names = []
    for repository in _ask(url, _INSTIGATORS)["repositoriesOrError"]["nodes"]:
        place = {"repositoryName": repository["name"], "repositoryLocationName": repository["location"]["name"]}
        for kind, mutation in (("sensor", _START_SENSOR), ("schedule", _START_SCHEDULE)):
            for one in repository[f"{kind}s"]:
                names.append(one["name"])
                if one[f"{kind}State"]["status"] != "RUNNING":
                    _ask(url, mutation, selector={f"{kind}Name": one["name"], **place})
    return sorted(names)


def _switch_off_everything(url: str) -> None:
    for repository in _ask(url, _INSTIGATORS)["repositoriesOrError"]["nodes"]:
        for kind, mutation in (("sensor", _STOP_SENSOR), ("schedule", _STOP_SCHEDULE)):
            for one in repository[f"{kind}s"]:
                state = one[f"{kind}State"]
                if state["status"] == "RUNNING":
                    _ask(url, mutation, id=state["id"])


def _cpu_seconds(root: psutil.Process) -> Counter[str]:
    """CPU time of the process and of all that it started, those that have ended included, by what they are."""
    used: Counter[str] = Counter()
    for process in [root, *root.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            times, command = process.cpu_times(), " ".join(process.cmdline())
            role = next((role for part, role in _ROLES.items() if part in command), "other")
            used[role] += times.user + times.system
            used["ended"] += times.children_user + times.children_system
    return used


def _ask(url: str, query: str, **variables: Any) -> Any:
    answer = httpx.post(f"{url}/graphql", json={"query": query, "variables": variables}, timeout=60).json()
    if "errors" in answer:
        raise RuntimeError(answer["errors"])
    return answer["data"]


if __name__ == "__main__":
    main()
