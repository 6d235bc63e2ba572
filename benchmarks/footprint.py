"""What one run takes of the things that a fleet shares: scratch space on its host, connections to Postgres.

python -m benchmarks.footprint [--dataset yellow] [--rows N]
python -m benchmarks.footprint --services

The run is `taxi run` with the lake in GCS, the warehouse in BigQuery (both emulated), and the tables and Dagster's
records in two databases of one Postgres server, as on a worker of a fleet. Sizes and connections are looked at every
20 ms; how many sessions were opened in all, the server counts. The services are those of deploy/, at rest for a minute.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import yaml
from google.cloud import storage

from taxi_assets.catalog import Dataset, dataset_named
from taxi_assets.month import Month
from taxi_assets.sample import write_month
from taxi_assets.source.files import month_path
from taxi_assets.stores.postgres.embedded import embedded_url
from taxi_assets_tests.daemon.machines import PROJECT, records_url, server
from taxi_assets_tests.servers.bigquery import bigquery_server
from taxi_assets_tests.servers.gcs import gcs_server
from taxi_assets_tests.stores.servers import folder_for_server

MONTH = Month(2024, 1)
_AT_REST = 60  # seconds
_ACTIVITY = "SELECT datname, count(*) FROM pg_stat_activity WHERE datname IN ('dagster', 'taxi') GROUP BY 1"
_SESSIONS = "SELECT datname, sessions FROM pg_stat_database WHERE datname IN ('dagster', 'taxi')"


def main() -> None:
    """Measure a run and print what it took."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.footprint", description=__doc__.partition("\n")[0])
    parser.add_argument("--dataset", default="yellow")
    parser.add_argument("--rows", type=int, default=1_369_769)
    parser.add_argument("--services", action="store_true", help="measure the services instead of a run")
    given = parser.parse_args()
    if given.services:
        _measure_services()
        return
    dataset = dataset_named(given.dataset)
    with (
        folder_for_server() as database,
        tempfile.TemporaryDirectory(prefix="taxi-footprint-") as folder,
        gcs_server(Path(folder) / "buckets") as gcs,
        bigquery_server(gcs.folder) as bigquery,
    ):
        work = Path(folder)
        raw = work / "source" / month_path(dataset, MONTH)
        raw.parent.mkdir(parents=True)
        write_month(dataset, MONTH, raw, rows=given.rows)
        servers = {"STORAGE_EMULATOR_HOST": gcs.url, "BIGQUERY_EMULATOR_HOST": bigquery.url}
        os.environ.update(servers)
        storage.Client().create_bucket("fleet")
        url = embedded_url(database)
        _measure(dataset, raw.stat().st_size, url, {**servers, **_environment(work, url)})


def _environment(work: Path, url: str) -> Mapping[str, str]:
    """The variables of a worker, with the stores and Dagster's records on the servers."""
    with psycopg.connect(url, autocommit=True) as connection:
        for name in ("dagster", "taxi"):
            connection.execute(f"CREATE DATABASE {name}")
    instance = yaml.safe_load((PROJECT / "deploy" / "dagster.yaml").read_text())
    del instance["compute_logs"]
    for folder in ("dagster", "scratch"):
        (work / folder).mkdir()
    (work / "dagster" / "dagster.yaml").write_text(yaml.safe_dump(instance))
    return {
        "DAGSTER_HOME": str(work / "dagster"),
        "DAGSTER_POSTGRES_URL": records_url(url, "dagster"),
        "TMPDIR": str(work / "scratch"),
        "TAXI_HOME": str(work / "home"),
        "TAXI_SOURCE": str(work / "source"),
        "TAXI_LAKE": "gs://fleet/taxi",
        "TAXI_POSTGRES": urlsplit(url)._replace(path="/taxi").geturl(),
        "TAXI_WAREHOUSE": "bigquery://test/taxi",
    }


def _measure(dataset: Dataset, size: int, url: str, variables: Mapping[str, str]) -> None:
    command = [Path(sys.executable).parent / "taxi", "run", dataset.name, str(MONTH)]
    scratch, peak_bytes, peaks = Path(variables["TMPDIR"]), 0, {"dagster": 0, "taxi": 0}
    with psycopg.connect(url, autocommit=True) as connection:
        before, started = dict(connection.execute(_SESSIONS).fetchall()), time.perf_counter()
        with subprocess.Popen(command, env={**os.environ, **variables}) as run:
            while run.poll() is None:
                peak_bytes = max(peak_bytes, _bytes_in(scratch))
                for name, count in connection.execute(_ACTIVITY).fetchall():
                    peaks[name] = max(peaks[name], count)
                time.sleep(0.02)
        seconds = time.perf_counter() - started
        time.sleep(1)  # the server's statistics
        sessions = {name: count - before[name] for name, count in connection.execute(_SESSIONS).fetchall()}
    print(f"exit status {run.returncode}, {seconds:.0f} s, file of {size / 1e6:.0f} MB")
    print(f"scratch: {peak_bytes / 1e6:.0f} MB at most, {peak_bytes / size:.1f} times the file")
    for name, count in peaks.items():
        opened = sessions[name]
        print(f"database {name}: {count} connections at a time, {opened} opened, {opened / seconds:.1f} a second")


def _measure_services() -> None:
    with server("sample") as services:
        url = services.environment["DAGSTER_POSTGRES_URL"].replace("+psycopg2", "")
        peak, ends = 0, time.monotonic() + _AT_REST
        with psycopg.connect(url, autocommit=True) as connection:
            before = dict(connection.execute(_SESSIONS).fetchall())["dagster"]
            while time.monotonic() < ends:
                counts = dict(connection.execute(_ACTIVITY).fetchall())
                peak = max(peak, counts["dagster"] - 1)  # without this connection
                time.sleep(0.02)
            opened = dict(connection.execute(_SESSIONS).fetchall())["dagster"] - before
    print(f"services at rest: {peak} connections at a time, {opened / _AT_REST:.1f} opened a second")


def _bytes_in(folder: Path) -> int:
    """What the files take on the disk; one that is removed meanwhile counts as nothing."""
    total = 0
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):
            total += path.stat().st_blocks * 512
    return total


if __name__ == "__main__":
    main()
