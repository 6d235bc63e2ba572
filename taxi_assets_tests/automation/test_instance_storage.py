"""The connections to SQLite that `HomeStorage` keeps open between statements."""

import multiprocessing
import queue
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.instance.ref import InstanceRef

from taxi_assets.automation.run_files import copy_of_empty, keep_empty

KEY = dg.AssetKey("asset")
STORAGE = "{custom: {module: taxi_assets.automation.instance_storage, class: HomeStorage, config: {base_dir: %s}}}"


@contextmanager
def records(home: Path, settings: str = "") -> Iterator[dg.DagsterInstance]:
    home.mkdir(exist_ok=True)
    (home / "dagster.yaml").write_text(f"telemetry: {{enabled: false}}\nstorage: {STORAGE % home}\n{settings}\n")
    with dg.DagsterInstance.from_config(str(home)) as instance:
        yield instance


def record(instance: dg.DagsterInstance, key: dg.AssetKey = KEY) -> None:
    instance.report_runless_asset_event(dg.AssetMaterialization(key))


def is_recorded(instance: dg.DagsterInstance) -> bool:
    return instance.get_latest_materialization_event(KEY) is not None


def index_of(home: Path) -> Path:
    """The file with the events of all assets."""
    return home / "history" / "runs" / "index.db"


def times_open(file: Path) -> int:
    """How often this process has the file open."""
    opened = [one.readlink() for one in Path("/proc/self/fd").iterdir() if one.is_symlink()]
    return opened.count(file)


def test_one_connection_stays_open_until_the_instance_is_closed(tmp_path: Path) -> None:
    with records(tmp_path) as instance:
        for _ in range(3):
            record(instance)
            assert is_recorded(instance)
        assert times_open(index_of(tmp_path)) == 1
    assert times_open(index_of(tmp_path)) == 0
    assert [one.name for one in index_of(tmp_path).parent.glob("index.db*")] == ["index.db"], "without a journal"


def test_a_file_that_was_replaced_is_opened_anew(tmp_path: Path) -> None:
    with records(tmp_path / "other") as other:
        record(other, dg.AssetKey("another"))
    with records(tmp_path / "home") as instance:
        record(instance)
        assert is_recorded(instance)
        shutil.rmtree(index_of(tmp_path / "home").parent)
        shutil.copytree(index_of(tmp_path / "other").parent, index_of(tmp_path / "home").parent)
        assert not is_recorded(instance)
        record(instance)
        assert is_recorded(instance)


def content_of(file: Path) -> tuple[list[Any], ...]:
    """The tables, the revision of Dagster's migrations, the journal's kind and the number of events."""
    with closing(sqlite3.connect(file)) as connection:
        return tuple(
            connection.execute(query).fetchall()
            for query in (
                "SELECT type, name, sql FROM sqlite_master ORDER BY name",
                "SELECT * FROM alembic_version",
                "PRAGMA journal_mode",
                "SELECT count(*) FROM event_logs",
            )
        )


def test_files_of_runs_are_as_dagster_makes_them(tmp_path: Path) -> None:
    (tmp_path / "stock").mkdir()
    with dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(tmp_path / "stock"))) as stock:
        with stock.event_log_storage.run_connection("run"):
            pass
        [expected] = (tmp_path / "stock").rglob("run.db")
    for _ in range(2):  # the second time by another process, as it were
        with records(tmp_path / "home") as instance:
            for number in range(3):
                with instance.event_log_storage.run_connection(f"run_{number}"):
                    pass
    files = list((tmp_path / "home").rglob("run_*.db"))
    assert len(files) == 3
    assert {str(content_of(file)) for file in files} == {str(content_of(expected))}


def test_a_file_that_another_process_made_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    with records(tmp_path) as instance, instance.event_log_storage.run_connection("first"):
        pass
    theirs = index_of(tmp_path).with_name("second.db")
    theirs.write_text("theirs")
    assert copy_of_empty(theirs)
    assert theirs.read_text() == "theirs"
    assert sorted(one.name for one in theirs.parent.glob(".*")) == [f".empty-{dg.__version__}"]


def test_a_file_in_which_something_is_recorded_already_is_not_copied(tmp_path: Path) -> None:
    with records(tmp_path / "home") as instance:
        record(instance)
    recorded = tmp_path / "run.db"
    shutil.copy(index_of(tmp_path / "home"), recorded)
    keep_empty(recorded)
    assert not copy_of_empty(tmp_path / "next.db")
    assert list(tmp_path.glob(".*")) == []


@pytest.mark.slow
def test_what_another_process_records_is_seen(tmp_path: Path) -> None:
    with records(tmp_path) as instance:
        assert not is_recorded(instance)
        process = multiprocessing.get_context("spawn").Process(target=_record_in, args=(tmp_path,))
        process.start()
        process.join()
        assert is_recorded(instance)


@dg.job
def job() -> None: ...


def test_each_event_of_a_run_changes_the_run_s_own_file_at_once(tmp_path: Path) -> None:
    """The run's page in the UI waits for such changes; events that are in the journal alone are none."""
    with records(tmp_path) as instance:
        run = instance.create_run_for_job(job)
        file = index_of(tmp_path).with_name(f"{run.run_id}.db")
        instance.report_engine_event("the first one", run)
        for _ in range(3):
            before = file.stat().st_mtime_ns
            instance.report_engine_event("another one", run)
            assert file.stat().st_mtime_ns != before


def test_a_watcher_of_a_run_sees_each_event_and_reading_it_is_none(tmp_path: Path) -> None:
    seen: queue.SimpleQueue[str] = queue.SimpleQueue()
    with records(tmp_path) as instance:
        run = instance.create_run_for_job(job)
        instance.report_engine_event("before", run)
        instance.watch_event_logs(run.run_id, None, lambda entry, _: seen.put(entry.message))
        for number in range(3):
            instance.report_engine_event(f"event {number}", run)
            while seen.get(timeout=60) != f"event {number}":
                pass
        file = index_of(tmp_path).with_name(f"{run.run_id}.db")
        before = file.stat().st_mtime_ns
        assert len(instance.all_logs(run.run_id)) == 4
        assert file.stat().st_mtime_ns == before


def test_the_file_of_one_run_stays_open_at_a_time(tmp_path: Path) -> None:
    with records(tmp_path) as instance:
        runs = [instance.create_run_for_job(job) for _ in range(3)]
        for run in [*runs, *runs]:
            instance.report_engine_event("event", run)
            opened = [one for one in runs if times_open(index_of(tmp_path).with_name(f"{one.run_id}.db"))]
            assert opened == [run]
    assert not list(index_of(tmp_path).parent.glob("*-wal"))


def test_an_event_is_stored_from_within_a_run_whose_log_records_this_package(tmp_path: Path) -> None:
    """Dagster stores what the package's loggers say as events, and a pool has a logger of the package."""

    @dg.op
    def touch_another_run(context: dg.OpExecutionContext) -> None:
        context.instance.report_engine_event("from outside", another)
        context.log.info("back in its own file")

    @dg.job(executor_def=dg.in_process_executor)
    def busy() -> None:
        touch_another_run()

    with records(tmp_path, "python_logs: {managed_python_loggers: [taxi_assets], python_log_level: INFO}") as instance:
        another = instance.create_run_for_job(job)
        run = busy.execute_in_process(instance=instance)
        said = [entry.user_message for entry in instance.all_logs(run.run_id)]
        assert "back in its own file" in said
        assert not [one for one in said if "Pool" in one]


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # Python 3.12's, where other threads run
def test_a_forked_process_opens_connections_of_its_own(tmp_path: Path) -> None:
    with records(tmp_path) as instance:
        record(instance)
        assert times_open(index_of(tmp_path)) == 1
        forked = multiprocessing.get_context("fork").Process(target=_assert_two_open, args=(instance, tmp_path))
        forked.start()
        forked.join()
        assert forked.exitcode == 0
        record(instance)
        assert is_recorded(instance)


def _record_in(home: Path) -> None:
    with records(home) as instance:
        record(instance)


def _assert_two_open(instance: dg.DagsterInstance, home: Path) -> None:
    """That of the parent, and this process's own."""
    record(instance)
    assert is_recorded(instance)
    assert times_open(index_of(home)) == 2
