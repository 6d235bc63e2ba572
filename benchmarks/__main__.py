"""Measure and print; each pair is measured in turns, since the speed of a machine drifts.

python -m benchmarks [--rows N] [--rounds N] [postgres] [clean] [run] [checks] [cloud] [status] [plan]
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from google.cloud import storage
from rich.console import Console
from rich.table import Table

from benchmarks import checking, loading, overview
from taxi_assets.catalog import dataset_named
from taxi_assets.month import Month
from taxi_assets.sample import write_month
from taxi_assets.source.files import month_path
from taxi_assets_tests.servers.bigquery import bigquery_server
from taxi_assets_tests.servers.gcs import gcs_server

YELLOW, MONTH = dataset_named("yellow"), Month(2024, 1)
# Runs a command and prints its peak memory. By itself the system counts the parent's memory at the fork as the child's.
_WITH_PEAK = """
import os, subprocess, sys
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, usage = os.wait4(process.pid, 0)
print(usage.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status))
"""
MEASURES = ("postgres", "clean", "run", "checks", "cloud", "status", "plan")


def main() -> None:
    """Run the measures that the command line names, or all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure speed and memory.")
    parser.add_argument("measures", nargs="*", metavar="measure", help=", ".join(MEASURES))
    parser.add_argument("--rows", type=int, default=1_369_769, help="rows in the yellow-shaped month")
    parser.add_argument("--rounds", type=int, default=5, help="how often each side is measured; the median counts")
    given = parser.parse_args()
    table = Table(title=f"{given.rows:,} yellow-shaped rows, medians of {given.rounds}, {os.cpu_count()} cores")
    for column in ("what", "seconds", "compared with", "seconds", "ratio", "peak MB"):
        table.add_column(column, justify="left" if column in ("what", "compared with") else "right")
    with tempfile.TemporaryDirectory(prefix="taxi-bench-") as folder:
        work = Path(folder)
        work.chmod(0o755)  # the embedded server runs as another user where this one is root
        raw = work / "source" / month_path(YELLOW, MONTH)
        raw.parent.mkdir(parents=True)
        write_month(YELLOW, MONTH, raw, rows=given.rows)
        for measure in given.measures or MEASURES:
            table.add_row(*globals()[f"measure_{measure}"](work, raw, given.rounds))
    Console(width=150).print(table)


def measure_postgres(work: Path, raw: Path, rounds: int) -> tuple[str, ...]:
    """Replace a month in Postgres from the lake, against the server reading the same rows from a binary file."""
    loads = loading.PostgresLoads(work, raw, YELLOW, MONTH)
    ours, theirs = _in_turns(rounds, loads.replace, loads.copy_from_file)
    return _pair("Postgres: replace from the lake", ours, "server-side COPY FROM a binary file", theirs)


def measure_clean(work: Path, raw: Path, rounds: int) -> tuple[str, ...]:
    """Clean a month and write both outcomes to the lake, against DuckDB copying the file as it is."""
    cleaning = loading.Cleaning(work, raw, YELLOW, MONTH)
    ours, theirs = _in_turns(rounds, cleaning.clean_and_write, cleaning.copy_as_it_is)
    return _pair("clean and write to the lake", ours, "DuckDB COPY ... TO of the file", theirs)


def measure_run(work: Path, raw: Path, rounds: int) -> tuple[str, ...]:
    """The whole `taxi run` process, from the folder into all stores."""
    del raw
    return ("taxi run, all assets", *_runs(work, rounds))


def measure_checks(work: Path, raw: Path, rounds: int) -> tuple[str, ...]:
    """A run of all assets, against one of the same assets that makes none of their checks."""
    del raw
    runs = checking.Checking(work, YELLOW, MONTH)
    ours, theirs = _in_turns(rounds, runs.with_checks, runs.without_checks)
    return _pair(f"a run: its checks add {ours - theirs:.2f}", ours, "the same without checks", theirs)


def measure_cloud(work: Path, raw: Path, rounds: int) -> tuple[str, ...]:
    """The same with the lake in GCS and the warehouse in BigQuery, by emulators on this machine."""
    del raw
    with gcs_server(work / "buckets") as gcs, bigquery_server(gcs.folder) as bigquery:
        servers = {"STORAGE_EMULATOR_HOST": gcs.url, "BIGQUERY_EMULATOR_HOST": bigquery.url}
        os.environ.update(servers)
        storage.Client().create_bucket("bench")
        stores = {"TAXI_LAKE": "gs://bench/lake", "TAXI_WAREHOUSE": "bigquery://bench/taxi"}
        return ("taxi run, emulated GCS and BigQuery", *_runs(work, rounds, **servers, **stores))


def measure_status(work: Path, raw: Path, rounds: int) -> tuple[str, ...]:
    """The whole `taxi status` process where every month is loaded, against one that opens Dagster's instance only."""
    del raw
    home = overview.Overview(work)
    ours, theirs = _in_turns(rounds, home.status, home.only_dagster)
    return _pair(f"taxi status, {home.months} months loaded", ours, "importing Dagster, opening its instance", theirs)


def measure_plan(work: Path, raw: Path, rounds: int) -> tuple[str, ...]:
    """The whole `taxi plan` process where every month is stale, against one that opens Dagster's instance only."""
    del raw
    home = overview.Overview(work / "plan")
    ours, theirs = _in_turns(rounds, home.plan, home.only_dagster)
    return _pair(f"taxi plan, {home.months} months to load", ours, "importing Dagster, opening its instance", theirs)


def _runs(work: Path, rounds: int, **variables: str) -> tuple[str, ...]:
    command = [Path(sys.executable).parent / "taxi", "run", YELLOW.name, str(MONTH), "--source", work / "source"]
    environment = {**os.environ, "TAXI_HOME": str(work / "home"), **variables}
    seconds, peaks = [], []
    for _ in range(rounds):
        started = time.perf_counter()
        peak = subprocess.check_output([sys.executable, "-I", "-c", _WITH_PEAK, *command], env=environment)
        seconds.append(time.perf_counter() - started)
        peaks.append(int(peak) / 1024)
    return (f"{statistics.median(seconds):.2f}", "", "", "", f"{max(peaks):.0f}")


def _in_turns(rounds: int, *sides: Callable[[], float]) -> tuple[float, ...]:
    measured: list[list[float]] = [[] for _ in sides]
    for _ in range(rounds):
        for seconds, side in zip(measured, sides, strict=True):
            seconds.append(side())
    return tuple(statistics.median(seconds) for seconds in measured)


def _pair(name: str, ours: float, against: str, theirs: float) -> tuple[str, ...]:
    return (name, f"{ours:.2f}", against, f"{theirs:.2f}", f"{ours / theirs:.2f}", "")


if __name__ == "__main__":
    main()
