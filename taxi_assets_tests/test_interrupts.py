"""Signals at several moments: real processes, which end at once, say where they ended and leave every store whole."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import duckdb
import pytest

from taxi_assets.catalog import dataset_named
from taxi_assets.month import Month
from taxi_assets.sample import write_month
from taxi_assets_tests.homes import TAXI, Home
from taxi_assets_tests.source.cdn import serving
from taxi_assets_tests.stores.servers import new_database

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group(__name__)]

SECONDS_TO_END = 60  # of a busy machine; what is interrupted would go on for longer, or for ever
SIGNALS = [signal.SIGINT, signal.SIGTERM]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, postgres_url: str) -> Home:
    """With zones, so that what a command says of them does not depend on the tests before it."""
    home = Home(tmp_path_factory.mktemp("home"), TAXI_SOURCE="sample", TAXI_POSTGRES=new_database(postgres_url))
    home.taxi("run", "zones")
    return home


@contextmanager
def started(command: list[object], home: Home) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [str(part) for part in command],
        env=home.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def read_until(process: subprocess.Popen[str], text: str) -> None:
    assert process.stdout is not None
    read = ""
    for line in process.stdout:
        read += line
        if text in line:
            return
    raise AssertionError(f"{text!r} never came:\n{read}")


def interrupted(process: subprocess.Popen[str], number: signal.Signals) -> str:
    """Send the signal; what the process says after it, where it ends by it and without a traceback."""
    process.send_signal(number)
    told = process.communicate(timeout=SECONDS_TO_END)[0]
    assert process.returncode == 128 + number, told
    assert f"ended by {number.name}" in told
    assert "Traceback" not in told
    return told


def newest_run(home: Home) -> dg.DagsterRun:
    with dg.DagsterInstance.from_config(str(home.settings.dagster_home)) as instance:
        return instance.get_runs(limit=1)[0]


@pytest.mark.parametrize(("number", "month", "done"), [(SIGNALS[0], "2024-01", ""), (SIGNALS[1], "2024-02", "2024-01")])
def test_a_signal_ends_a_range_and_says_what_is_done_and_how_to_go_on(
    home: Home, number: signal.Signals, month: str, done: str
) -> None:
    with started([TAXI, "run", "green", "2024-01..2024-03", "--rules", "no_distance"], home) as process:
        read_until(process, f"green/clean_trips {month}")
        told = interrupted(process, number)
    assert ("  done         green 2024-01\n" in told) == bool(done)
    assert f"  interrupted  green {month}: each store holds its old version or its new one, whole\n" in told
    assert f"to go on: taxi run green {month}..2024-03 --rules no_distance\n" in told
    assert "green_trips 2024-03:" not in told
    run = newest_run(home)
    assert (run.status, run.tags["dagster/partition"]) == (dg.DagsterRunStatus.CANCELED, month)


def test_zones_that_the_source_does_not_have_are_not_said_to_be_done(home: Home, tmp_path: Path) -> None:
    month = tmp_path / "month.parquet"
    write_month(dataset_named("green"), Month(2024, 5), month, rows=200)
    own = Home(tmp_path / "home", TAXI_POSTGRES=home.postgres_url)
    with serving() as cdn:
        cdn.put("trip-data/green_tripdata_2024-05.parquet", month.read_bytes())
        with started([TAXI, "run", "green", "2024-05", "--source", cdn.url], own) as process:
            read_until(process, "green/clean_trips 2024-05")
            told = interrupted(process, signal.SIGINT)
    assert "  failed       zones\n  interrupted  green 2024-05: " in told


NO_ZONES = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@contextmanager
def asking_for_zones(home: Home) -> Iterator[tuple[subprocess.Popen[str], socket.socket, socket.socket]]:
    """A run whose source has been asked for zones, and is silent: the process, the source and its connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        with started([TAXI, "run", "fhv", "2024-01", "--source", url], home) as process:
            connection, _ = server.accept()
            with connection:
                yield process, server, connection


def test_a_source_that_never_answers_holds_no_signal_up(home: Home) -> None:
    with asking_for_zones(home) as (process, server, connection):
        connection.recv(1_000)
        connection.sendall(NO_ZONES)
        connection.close()
        asked_for_the_month, _ = server.accept()
        with asked_for_the_month:
            told = interrupted(process, signal.SIGINT)
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
    assert f"to go on: taxi run fhv 2024-01 --source {url}\n" in told


def test_a_signal_before_the_first_run_says_that_nothing_was_loaded(home: Home) -> None:
    with asking_for_zones(home) as (process, _, _):
        told = interrupted(process, signal.SIGTERM)
    assert told == "\nended by SIGTERM: nothing was loaded\n"


def test_a_file_that_another_program_holds_holds_no_signal_up(home: Home) -> None:
    home.settings.home.mkdir(exist_ok=True)
    with duckdb.connect(home.settings.warehouse.path), started([TAXI, "status", "green"], home) as process:
        time.sleep(3)  # it waits for the file by then, or is still on its way there: it has to end in either case
        interrupted(process, signal.SIGTERM)


def test_what_psql_is_asked_for_is_interrupted_by_psql(home: Home) -> None:
    query = "SELECT pg_sleep(600)"
    with started([TAXI, "psql", "-c", r"\echo begun", "-c", query], home) as process:
        read_until(process, "begun")
        while not home.postgres(f"SELECT 1 FROM pg_stat_activity WHERE query = '{query}' AND state = 'active'"):
            assert process.poll() is None
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        told = process.communicate(timeout=SECONDS_TO_END)[0]
    assert "canceling statement" in told
    assert process.returncode == 1


# A command that is slow to end, as it can be anywhere; `sys.argv[1]` says what it does until then.
PROGRAM = """
import sys, time
from taxi_assets.cli.interrupts import block_if_ending, on_interrupt, supervised

def slow():
    with on_interrupt(lambda name: (print("ended by", name, flush=True), time.sleep(float(sys.argv[2])))):
        print("begun", flush=True)
        exec(sys.argv[1])

supervised(slow)
"""
DEAF = {
    "sleeping": "time.sleep(600)",
    "in Dagster": "from dagster._utils import interrupts\nwith interrupts.capture_interrupts(): time.sleep(600)",
    "in DuckDB": "import duckdb; duckdb.sql('SELECT sum(sqrt(range)) FROM range(1000000000000)').fetchall()",
    "in a lock": "import fcntl; a, b = open('lock', 'w'), open('lock', 'w'); fcntl.flock(a, 2); fcntl.flock(b, 2)",
    "in a loop": "while True: pass",
    "catching all": "while True:\n  try: time.sleep(0.1)\n  except BaseException: pass",
}


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
@pytest.mark.parametrize("doing", DEAF.values(), ids=list(DEAF))
def test_whatever_a_command_does_a_signal_ends_it(
    home: Home, monkeypatch: pytest.MonkeyPatch, doing: str, number: signal.Signals
) -> None:
    home.settings.home.mkdir(exist_ok=True)
    monkeypatch.chdir(home.settings.home)
    with started([sys.executable, "-c", PROGRAM, doing, "0"], home) as process:
        read_until(process, "begun")
        interrupted(process, number)


def test_a_second_signal_kills(home: Home) -> None:
    with started([sys.executable, "-c", PROGRAM, "time.sleep(600)", "600"], home) as process:
        read_until(process, "begun")
        process.send_signal(signal.SIGINT)
        read_until(process, "ended by SIGINT")
        process.send_signal(signal.SIGINT)
        assert process.wait(SECONDS_TO_END) == -signal.SIGINT


def test_what_ends_by_itself_ends_with_its_own_status(home: Home) -> None:
    for doing, status in (("pass", 0), ("sys.exit(3)", 3), ("sys.exit('no')", 1), ("1 / 0", 1)):
        with started([sys.executable, "-c", PROGRAM, doing, "0"], home) as process:
            told = process.communicate(timeout=SECONDS_TO_END)[0]
        assert process.returncode == status
        assert ("ZeroDivisionError" in told) == (doing == "1 / 0")


def test_last_words_that_take_too_long_are_cut_off(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    program = PROGRAM.replace(
        "def slow", "from taxi_assets.cli import interrupts\ninterrupts._SECONDS_TO_END = 0.1\ndef slow"
    )
    with started([sys.executable, "-c", program, "time.sleep(600)", "600"], home) as process:
        read_until(process, "begun")
        interrupted(process, signal.SIGTERM)
