"""Signals to `taxi` at several moments: real processes, which end at once and leave every store whole."""

import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
import pytest

from taxi_assets_tests.homes import TAXI, Home

SECONDS_TO_END = 30  # far more than it takes, which a busy machine may need; a month takes longer than that to go on
MOMENTS = ("Creating tables", "quarantine/green_trips", "postgres/green_daily_trips", "warehouse/green_trips")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return Home(tmp_path_factory.mktemp("home"), TAXI_SOURCE="sample").with_its_server()


@contextmanager
def started(home: Home, *arguments: str, **variables: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [TAXI, *arguments],
        env=home.environment(PYTHONUNBUFFERED="1", **variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def read_until(process: subprocess.Popen[str], text: str) -> str:
    assert process.stdout is not None
    read = ""
    for line in process.stdout:
        read += line
        if text in line:
            return read
    raise AssertionError(f"{text!r} never came:\n{read}")


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    rest = process.communicate(timeout=SECONDS_TO_END)[0]
    return process.returncode, rest


def newest_run(home: Home) -> dg.DagsterRun:
    with dg.DagsterInstance.from_config(str(home.settings.dagster_home)) as instance:
        return instance.get_runs(limit=1)[0]


@pytest.mark.parametrize(
    ("number", "step"), [(signal.SIGINT, "clean/green_trips 2024-01"), (signal.SIGTERM, "raw/green_trips 2024-02")]
)
def test_a_signal_ends_a_range_at_once_and_says_what_was_loaded_and_how_to_go_on(
    home: Home, number: signal.Signals, step: str
) -> None:
    with started(home, "run", "green", "2024-01..2024-03") as process:
        read_until(process, step.replace("raw", "quarantine"))
        process.send_signal(number)
        status, told = ended(process)
    assert status == 128 + number
    assert f"ended by {number.name}" in told
    assert "Traceback" not in told
    month = step.rsplit(maxsplit=1)[-1]
    assert f"to go on: taxi run green {month}..2024-03" in told
    assert f"interrupted  green {month}: each store holds its old version or its new one, whole" in told
    assert "green_trips 2024-03:" not in told
    assert newest_run(home).status == dg.DagsterRunStatus.CANCELED
    assert newest_run(home).tags["dagster/partition"] == month


@contextmanager
def silent_server() -> Iterator[str]:
    """A server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
