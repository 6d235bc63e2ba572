"""One Dagster instance for `taxi`, `taxi dev` and Dagster's own programs, however and wherever it is made."""

import multiprocessing
import os
import socket
import sqlite3
import subprocess
import sys
import tomllib
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from threading import Barrier

import click.testing
import dagster as dg
import pytest
import yaml
from dagster._cli.utils import get_possibly_temporary_instance_for_cli

from taxi_assets.cli.dev import DAEMON_SECONDS
from taxi_assets.cli.instance import LOCATION, PACKAGE, instance_of
from taxi_assets.cli.main import main
from taxi_assets.errors import StoreUnavailable
from taxi_assets.settings import Settings

PROJECT = Path(__file__).parent.parent
PROCESSES = 4


@dg.op
def greet() -> None:
    pass


@dg.job(executor_def=dg.in_process_executor, logger_defs={"terminal": dg.json_console_logger})
def greeting() -> None:
    greet()


def settings(home: Path) -> Settings:
    return Settings.from_environment({"TAXI_HOME": str(home), "TAXI_SOURCE": "sample"})


def taxi(*arguments: str, **variables: str | None) -> click.testing.Result:
    return click.testing.CliRunner().invoke(main, arguments, env={"TAXI_SOURCE": "sample", **variables})


def recorded(home: Path) -> list[dg.DagsterRun]:
    with instance_of(settings(home)) as instance:
        return list(instance.get_runs())


def test_the_clone_and_the_package_bring_the_same_instance_and_location() -> None:
    for name in ("dagster.yaml", "workspace.yaml"):
        assert (PROJECT / name).read_text() == PACKAGE.joinpath(name).read_text()
    pyproject = tomllib.loads((PROJECT / "pyproject.toml").read_text())
    workspaces = [yaml.safe_load((PROJECT / one).read_text()) for one in ("workspace.yaml", "deploy/workspace.yaml")]
    names = {target["location_name"] for one in workspaces for origin in one["load_from"] for target in origin.values()}
    assert names | {pyproject["tool"]["dg"]["project"]["code_location_name"]} == {LOCATION}


@pytest.mark.parametrize("from_env_file", [False, True])
def test_dagster_s_own_programs_in_the_clone_open_the_instance_of_the_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, from_env_file: bool
) -> None:
    with instance_of(settings(tmp_path / "home")) as instance:
        run_id = greeting.execute_in_process(instance=instance).run_id
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    monkeypatch.delenv("TAXI_HOME", raising=False)
    (tmp_path / "dagster.yaml").write_text((PROJECT / "dagster.yaml").read_text())
    if from_env_file:
        (tmp_path / ".env").write_text("TAXI_HOME=home\n")
    else:
        monkeypatch.setenv("TAXI_HOME", "home")
    with get_possibly_temporary_instance_for_cli("dagster dev") as theirs:
        assert theirs.get_run_by_id(run_id) is not None
        assert theirs.root_directory == str(tmp_path / "home" / "dagster")
        printed = theirs.compute_log_manager.get_log_metadata([run_id, "compute_logs", "step"]).stdout_location
    assert Path(printed).is_relative_to(tmp_path / "home")


def test_a_run_of_the_command_is_one_of_the_location_and_can_be_executed_again(tmp_path: Path) -> None:
    with instance_of(settings(tmp_path)) as instance:
        greeting.execute_in_process(instance=instance, run_config={"loggers": {"terminal": {"config": {}}}})
        [run] = instance.get_runs(dg.RunsFilter(tags={".dagster/repository": f"__repository__@{LOCATION}"}))
    assert run.remote_job_origin.location_name == LOCATION
    assert run.remote_job_origin.repository_origin.get_job_origin("greeting") == run.remote_job_origin
    assert run.run_config == {}  # the location has no logger of that name


def test_records_are_kept_in_a_folder_of_any_name(tmp_path: Path) -> None:
    name = '50%2Foff? 100% "a" \\ #1 é 日 [x]'
    home = tmp_path / name
    with instance_of(settings(home)) as instance:
        run_id = greeting.execute_in_process(instance=instance).run_id
    with dg.DagsterInstance.from_config(str(home / "dagster")) as instance:  # as whoever knows the folder alone
        assert instance.all_logs(run_id)
    assert (home / "dagster" / "history" / "runs.db").exists()
    assert [one.name for one in tmp_path.iterdir()] == [name]


EARLIER = """\
telemetry:
  enabled: false
compute_logs:
  module: dagster._core.storage.noop_compute_log_manager
  class: NoOpComputeLogManager
concurrency:
  pools:
    default_limit: 1
"""


def test_the_instance_s_file_is_brought_up_to_date_until_it_is_edited(tmp_path: Path) -> None:
    file = tmp_path / "dagster" / "dagster.yaml"
    recorded(tmp_path)
    written = file.read_text()
    assert (
        yaml.safe_load(written)["run_launcher"]
        == yaml.safe_load(PACKAGE.joinpath("dagster.yaml").read_text())["run_launcher"]
    )
    file.write_text(EARLIER)
    recorded(tmp_path)
    assert file.read_text() == written
    for edited in (written + "# mine\n", EARLIER + "# mine\n", ""):
        file.write_text(edited)
        recorded(tmp_path)
        assert file.read_text() == edited


def open_together(home: Path, start: Barrier) -> int:
    start.wait(60)
    return len(recorded(home))


@pytest.mark.slow
def test_the_records_are_made_once_however_many_processes_come_first(tmp_path: Path) -> None:
    """Without a lock, two of them left two heads of the schema in a file in a third of the rounds."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["taxi_assets.automation.instance_storage", __name__])
    with context.Manager() as manager, ProcessPoolExecutor(PROCESSES, context) as pool:
        for number in range(int(os.environ.get("TAXI_TESTS_ROUNDS", "2"))):
            start = manager.Barrier(PROCESSES)
            opened = [pool.submit(open_together, tmp_path / str(number), start) for _ in range(PROCESSES)]
            assert [one.result() for one in opened] == [0] * PROCESSES
            assert recorded(tmp_path / str(number)) == []


def test_records_that_two_programs_made_are_named_with_what_to_remove(tmp_path: Path) -> None:
    recorded(tmp_path)
    runs = tmp_path / "dagster" / "history" / "runs.db"
    with sqlite3.connect(runs) as connection:
        connection.execute("INSERT INTO alembic_version VALUES ('5771160a95ad')")
    told = taxi("status", "green", "2024-01", TAXI_HOME=str(tmp_path))
    assert told.exit_code == 1
    assert f"Remove {runs.parent}" in told.output
    assert "tables and the lake stay" in told.output


def test_a_home_that_is_a_file_is_told_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for home in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(StoreUnavailable, match="TAXI_HOME names the folder"):
            recorded(home)
        for command in (
            ("run", "zones"),
            ("status", "green", "2024-01"),
            ("explain", "green", "2024-01", "1"),
            ("dev",),
        ):
            told = taxi(*command, TAXI_HOME=str(home), DAGSTER_HOME=None)
            assert told.exit_code == 1
            assert told.output.startswith("Error: ")
            assert "TAXI_HOME names the folder" in told.output
            assert isinstance(told.exception, SystemExit)


def test_records_that_cannot_be_written_are_told_in_a_sentence(tmp_path: Path) -> None:
    recorded(tmp_path)
    runs = tmp_path / "dagster" / "history" / "runs.db"
    runs.unlink()
    runs.mkdir()
    with pytest.raises(StoreUnavailable, match=r"cannot be used: .*unable to open database file"):
        recorded(tmp_path)


@pytest.mark.slow
def test_dagster_reads_how_often_its_daemons_look_from_the_variables_that_dev_and_deploy_set() -> None:
    program = (
        "from dagster._daemon import freshness; from dagster._daemon.auto_run_reexecution import event_log_consumer; "
        "print(freshness._INTERVAL_SECONDS, event_log_consumer._INTERVAL_SECONDS)"
    )
    read = subprocess.check_output([sys.executable, "-c", program], env={**os.environ, **DAEMON_SECONDS}, text=True)
    assert read.split() == list(DAEMON_SECONDS.values())
    lines = (PROJECT / "deploy" / "environment.example").read_text().splitlines()
    assert {f"{name}={seconds}" for name, seconds in DAEMON_SECONDS.items()} <= set(lines)


def test_a_port_that_is_taken_is_told_before_anything_starts(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        exported = dict.fromkeys(["DAGSTER_HOME", "TAXI_UI_URL", *DAEMON_SECONDS])
        told = taxi("dev", "--port", str(port), TAXI_HOME=str(tmp_path), **exported)
    assert told.exit_code == 1
    assert f"port {port} of 127.0.0.1 cannot be used" in told.output
    assert list(tmp_path.iterdir()) == []
