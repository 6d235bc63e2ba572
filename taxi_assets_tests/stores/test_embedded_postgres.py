import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psutil
import psycopg
import pyarrow as pa
import pytest

from taxi_assets.errors import StoreError, StoreUnavailable
from taxi_assets.month import Month
from taxi_assets.stores.base import TableSlice
from taxi_assets.stores.postgres.embedded import PSQL, embedded_url, initdb, postmaster, server
from taxi_assets.stores.postgres.store import PostgresStore
from taxi_assets.stores.rows import Rows

from .contract import MONTH_COLUMN
from .servers import folder_for_server, kill_server
from .versions import SCHEMA, rows_of, version_of

TRIPS = TableSlice("trips", Month(2024, 1))


@pytest.fixture
def folder() -> Iterator[Path]:
    with folder_for_server() as folder:
        yield folder


@pytest.fixture(scope="module")
def made() -> Iterator[Path]:
    """One that is made already, for tests that leave a server there, running or not."""
    with folder_for_server() as folder:
        embedded_url(folder)
        yield folder


def started(folder: Path) -> PostgresStore:
    """The store on the server in the folder, which is started where it does not run."""
    return PostgresStore(embedded_url(folder), "taxi", MONTH_COLUMN)


@pytest.mark.faults
def test_a_killed_server_starts_again_with_every_row(folder: Path) -> None:
    for version in range(3):
        started(folder).replace(TRIPS, rows_of(version))
        kill_server(folder)
        assert version_of(started(folder), TRIPS) == version


@pytest.mark.faults
def test_a_killed_server_starts_again_though_its_process_number_is_taken(folder: Path) -> None:
    started(folder).replace(TRIPS, rows_of(1))
    kill_server(folder)
    left = folder / "postmaster.pid"
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as bystander:
        left.write_text(re.sub(r"^\d+", str(bystander.pid), left.read_text()))
        assert version_of(started(folder), TRIPS) == 1
        assert bystander.poll() is None


@pytest.mark.faults
def test_a_server_killed_during_a_replace_starts_again_with_the_old_rows(folder: Path) -> None:
    def open_batches() -> Iterator[pa.RecordBatch]:
        batches = rows_of(2).batches()
        yield from islice(batches, 3)
        kill_server(folder)
        yield from batches

    store = started(folder)
    store.replace(TRIPS, rows_of(1))
    with pytest.raises(StoreUnavailable):
        store.replace(TRIPS, Rows(SCHEMA, open_batches))
    assert version_of(started(folder), TRIPS) == 1
    started(folder).replace(TRIPS, rows_of(3))
    assert version_of(started(folder), TRIPS) == 3


def test_a_server_is_not_stopped_by_the_one_who_leaves_while_another_comes(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = server._start
    visit = "import sys, pathlib; from taxi_assets.stores.postgres.embedded import embedded_url as url; "
    visit += "print(url(pathlib.Path(sys.argv[1])), flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", visit, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline()

        def start_and_see_the_other_leave(*where: Any) -> Any:
            started = start(*where)
            other.communicate("\n")
            return started

        monkeypatch.setattr(server, "_start", start_and_see_the_other_leave)
        store = started(folder)
    store.replace(TRIPS, rows_of(1))
    assert version_of(store, TRIPS) == 1


# Killed while it is made or starts


def ask(folder: Path, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(embedded_url(folder)) as connection:
        return connection.execute(query).fetchall()


def settings(folder: Path) -> list[tuple[Any, ...]]:
    return ask(folder, "SELECT current_setting('wal_level'), current_setting('listen_addresses')")


def visit(folder: Path) -> subprocess.Popen[bytes]:
    """Start the server in a process of its own."""
    program = "import sys, pathlib; from taxi_assets.stores.postgres.embedded import embedded_url; "
    program += "embedded_url(pathlib.Path(sys.argv[1]))"
    return subprocess.Popen([sys.executable, "-W", "ignore", "-c", program, folder], start_new_session=True)


def until(condition: Any) -> None:
    give_up = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.005)


def left_in(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.parent.iterdir() if one.name != f".{folder.name}.lock")


@pytest.mark.parametrize("who", ["all", "only the process that asked"])
def test_a_server_killed_during_initdb_is_made_anew_with_our_settings(folder: Path, who: str) -> None:
    first = visit(folder)
    until(lambda: list(folder.parent.glob(f".{folder.name}.making-*/data/base")))
    assert not folder.exists()
    (os.killpg if who == "all" else os.kill)(first.pid, signal.SIGKILL)
    first.wait()
    assert settings(folder) == [("minimal", "")]
    assert left_in(folder) == [folder.name]


def test_what_an_initdb_in_place_left_is_made_anew_and_what_others_left_is_not(folder: Path) -> None:
    (folder / "global").mkdir(parents=True)
    (folder / "PG_VERSION").write_text("18\n")
    assert settings(folder) == [("minimal", "")]
    other = folder.parent / "other"
    other.mkdir()
    (other / "notes").touch()
    unmarked = folder.parent / ".other.making-1"
    (unmarked / "data").mkdir(parents=True)
    with pytest.raises(StoreError, match="holds other files"):
        embedded_url(other)
    assert (other / "notes").exists()
    assert (unmarked / "data").exists()


@pytest.mark.parametrize("lines", range(8))
def test_a_half_written_pid_file_of_a_dead_server_is_no_server(tmp_path: Path, lines: int) -> None:
    left = [str(os.getpid()), str(tmp_path), "1700000000", "5432", str(tmp_path), "", " 1 2", "ready"]
    file = tmp_path / "postmaster.pid"
    file.write_text("".join(f"{line}\n" for line in left[:lines]))
    assert postmaster.running_server(tmp_path, seconds=0) is None
    assert not file.exists()


@pytest.mark.slow
def test_a_server_killed_while_it_starts_starts_again(made: Path) -> None:
    for lines in (0, 1, 5, 7):
        embedded_url(made)
        left = made / "postmaster.pid"
        text = left.read_text()
        kill_server(made)
        left.write_text("".join(text.splitlines(keepends=True)[:lines]))
        assert settings(made) == [("minimal", "")]


@pytest.mark.faults
def test_a_server_killed_at_any_time_of_its_start_starts_again(made: Path) -> None:
    """As a power cut would, with all that runs."""
    embedded_url(made)
    for milliseconds in range(0, 300, 30):
        kill_server(made)
        with visit(made) as process:
            until(lambda: (made / "postmaster.pid").exists() or process.poll() is not None)
            time.sleep(milliseconds / 1000)
            os.killpg(process.pid, signal.SIGKILL)
        with suppress(psutil.Error, OSError, ValueError, IndexError):
            kill_server(made)
        assert settings(made) == [("minimal", "")]


def test_a_server_that_another_process_is_starting_is_waited_for(made: Path) -> None:
    embedded_url(made)
    kill_server(made)
    with visit(made) as process:
        until(lambda: (made / "postmaster.pid").exists() and postmaster.PidFile.of(made).status != "ready")
        process.kill()  # the server goes on to start
    assert settings(made) == [("minimal", "")]


def test_threads_that_come_at_once_get_one_server(made: Path) -> None:
    embedded_url(made)
    kill_server(made)
    with ThreadPoolExecutor(8) as threads:
        urls = set(threads.map(lambda _: embedded_url(made), range(16)))
    assert len(urls) == 1
    assert settings(made) == [("minimal", "")]


def test_a_server_that_is_killed_is_started_by_the_next_connection(made: Path) -> None:
    store = PostgresStore(lambda: embedded_url(made), "taxi", MONTH_COLUMN)
    store.replace(TRIPS, rows_of(1, rows=100))
    rows = store.read("trips")
    kill_server(made)
    assert rows.to_table().num_rows == 100
    kill_server(made)
    store.replace(TRIPS, rows_of(2, rows=100))
    assert version_of(store, TRIPS, rows=100) == 2


def test_files_of_tables_whose_load_was_killed_with_the_server_are_removed(made: Path) -> None:
    def rows_and_a_kill() -> Iterator[pa.RecordBatch]:
        yield from rows_of(2).batches()
        kill_server(made)
        yield next(rows_of(2).batches())

    store = started(made)
    store.replace(TRIPS, rows_of(1, rows=100))
    before = files_of_tables(made)
    with pytest.raises(StoreUnavailable):
        store.replace(TRIPS, Rows(SCHEMA, rows_and_a_kill))
    assert files_of_tables(made) - before
    assert version_of(started(made), TRIPS, rows=100) == 1
    assert files_of_tables(made) <= before


def files_of_tables(folder: Path) -> set[str]:
    return {str(file) for file in folder.glob("base/*/*") if re.fullmatch(r"\d{5,}(\.\d+)?", file.name)}


# Places and errors


def test_a_server_lives_in_a_folder_of_any_name() -> None:
    with folder_for_server() as plain:
        folder = plain.parent / '50% off? #1, it\'s "$HOME" `id`, back\\slash, Łódź' / "postgres"
        try:
            assert settings(folder) == [("minimal", "")]
            assert Path(ask(folder, "SHOW data_directory")[0][0]) == folder
        finally:
            stop(folder)


def stop(folder: Path) -> None:
    sockets = parse_qs(urlsplit(embedded_url(folder)).query)["host"][0]
    gone = server.get_server(folder, start=False)
    gone.cleanup_mode = "delete"
    gone.cleanup()
    if Path(sockets).name.startswith("taxi_assets-"):
        Path(sockets).rmdir()


def test_an_initdb_that_fails_says_why_and_points_at_no_log(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(initdb, "SUPERUSER", "pg_reserved")
    with pytest.raises(StoreUnavailable, match=r"cannot be created in .*pg_reserved.*TAXI_POSTGRES") as caught:
        embedded_url(folder)
    assert "log" not in str(caught.value).replace(str(folder), "")
    assert left_in(folder) == []


def test_a_server_that_does_not_start_says_why(made: Path) -> None:
    embedded_url(made)
    kill_server(made)
    file = made / "postgresql.conf"
    whole = file.read_text()
    file.write_text(f"{whole}no_such_setting = 1\n")
    with pytest.raises(StoreUnavailable, match=r"FATAL.*TAXI_POSTGRES"):
        embedded_url(made)
    file.write_text(whole)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_a_user_without_a_name_is_told_so(tmp_path: Path) -> None:
    place = Path(tempfile.mkdtemp(prefix="nameless-"))
    os.chown(place, 54321, 54321)
    program = "import pathlib; from taxi_assets.stores.postgres.embedded import embedded_url\n"
    program += f"try: embedded_url(pathlib.Path('{place}/postgres'))\nexcept Exception as error: print(repr(error))"
    environment = {**os.environ, "HOME": str(place)}
    ran = subprocess.run(
        ["setpriv", "--reuid=54321", "--regid=54321", "--clear-groups", sys.executable, "-W", "ignore", "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    shutil.rmtree(place)
    if "Permission denied" in ran.stderr:
        pytest.skip("this Python is closed to other users")
    assert "StoreError" in ran.stdout
    assert "/etc/passwd" in ran.stdout


# Who may connect


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
@pytest.mark.parametrize("name", ["short", "x" * 120])
def test_other_users_are_shut_out_by_the_folder_and_by_the_server(name: str) -> None:
    with folder_for_server() as plain:
        folder = plain.parent / name / "postgres"
        sockets = Path(parse_qs(urlsplit(embedded_url(folder)).query)["host"][0])
        try:
            assert sockets.stat().st_mode & 0o777 == 0o700
            assert "Permission denied" in refusal(sockets)
            owner, mode = sockets.stat(), 0o711
            sockets.chmod(mode)
            (sockets / ".s.PGSQL.5432").chmod(0o777)
            assert "Peer authentication failed" in refusal(sockets)
            sockets.chmod(owner.st_mode & 0o777)
            main = psutil.Process(int((folder / "postmaster.pid").read_text().split()[0]))
            groups = re.search(r"Groups:(.*)", Path(f"/proc/{main.pid}/status").read_text())
            assert (main.uids().real, main.gids().effective, groups[1].split()) == (owner.st_uid, owner.st_gid, [])
        finally:
            stop(folder)


def refusal(sockets: Path) -> str:
    ran = subprocess.run(
        [
            "setpriv",
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            PSQL,
            f"host='{sockets}' user=postgres",
            "-c",
            "\\q",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode != 0
    return ran.stderr


def test_a_server_made_by_a_version_that_trusted_everybody_is_closed_at_the_next_start(made: Path) -> None:
    embedded_url(made)
    (made / "pg_hba.conf").write_text("local all all trust\nhost all all 127.0.0.1/32 trust\n")
    embedded_url(made)  # while it runs
    assert ask(made, "SELECT auth_method FROM pg_hba_file_rules") == [("peer",)]
