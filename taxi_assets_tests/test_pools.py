"""The pool that limits downloads from TLC across all runs of an instance."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import psycopg
import pytest
import yaml
from sqlalchemy.exc import DBAPIError

from taxi_assets.automation.run_worker import process_tags, report_dead_runs
from taxi_assets.cli.runs import instance_of
from taxi_assets.resources.pools import TLC, ensure_pool
from taxi_assets.settings import Settings
from taxi_assets_tests.daemon.machines import PROJECT, records_url
from taxi_assets_tests.homes import Home

STATUS = dg.DagsterRunStatus


@dg.op
def nothing() -> None: ...


@dg.job
def job() -> None:
    nothing()


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with instance_of(Settings.from_environment({"TAXI_HOME": str(tmp_path)})) as instance:
        yield instance


@pytest.fixture
def records(postgres_url: str) -> Iterator[str]:
    """The URL of an empty database for Dagster's records."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE pools")
        yield records_url(postgres_url, "pools")
        connection.execute("DROP DATABASE pools WITH (FORCE)")


@pytest.fixture
def fleet(records: str, tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """An instance with its records in Postgres and the pools of deploy/dagster.yaml."""
    shipped = yaml.safe_load((PROJECT / "deploy" / "dagster.yaml").read_text())
    configuration = {
        "storage": {"postgres": {"postgres_url": records}},
        "concurrency": shipped["concurrency"],
        "telemetry": {"enabled": False},
    }
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump(configuration))
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        yield instance


INSTANCES = [PROJECT / "dagster.yaml", *sorted((PROJECT / "deploy").rglob("dagster.yaml"))]


@pytest.mark.parametrize("file", INSTANCES, ids=lambda file: str(file.relative_to(PROJECT)))
def test_every_shipped_instance_limits_the_pool(file: Path) -> None:
    pools = yaml.safe_load(file.read_text())["concurrency"].get("pools")
    assert pools == {"default_limit": 4, "granularity": "op"}


def test_the_pool_is_there_before_a_run_s_first_step(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    home = Home(tmp_path, TAXI_SOURCE="sample")
    found: list[set[str]] = []

    @dg.op(required_resource_keys={"source"})
    def looks(context: dg.OpExecutionContext) -> None:
        found.append(context.instance.event_log_storage.get_concurrency_keys())

    @dg.job(resource_defs={"source": home.definitions.resources["source"]}, executor_def=dg.in_process_executor)
    def looking() -> None:
        looks()

    assert instance.event_log_storage.get_concurrency_keys() == set()
    assert looking.execute_in_process(instance=instance).success
    assert found == [{TLC}]


def test_a_pool_that_another_process_creates_at_the_same_moment_is_no_error(
    fleet: dg.DagsterInstance, records: str
) -> None:
    """The other process's transaction is open while this one inserts the row, which is what breaks Dagster's steps."""
    create = 'INSERT INTO concurrency_limits (concurrency_key, "limit", using_default_limit) VALUES (%s, 4, true)'
    slot = "INSERT INTO concurrency_slots (concurrency_key, deleted) VALUES (%s, false)"
    for pool, ensure in (("theirs", fleet.event_log_storage.initialize_concurrency_limit_to_default), (TLC, None)):
        failures: list[BaseException] = []

        def create_too(pool: str = pool, ensure: object = ensure, failures: list[BaseException] = failures) -> None:
            try:
                ensure(pool) if callable(ensure) else ensure_pool(fleet, pool)
            except DBAPIError as error:
                failures.append(error)

        with psycopg.connect(records.replace("+psycopg2", "")) as other:
            other.execute(create, [pool])
            for _ in range(4):
                other.execute(slot, [pool])
            thread = threading.Thread(target=create_too)
            thread.start()
            _wait_for_a_lock(records)
        thread.join(30)
        assert len(failures) == (1 if pool == "theirs" else 0)
    assert fleet.event_log_storage.get_concurrency_info(TLC).slot_count == 4


def test_the_slot_of_a_killed_run_is_free_for_the_next_command(instance: dg.DagsterInstance) -> None:
    ensure_pool(instance, TLC)
    pool = instance.event_log_storage
    alive = instance.create_run_for_job(job, tags=process_tags(), status=STATUS.STARTED)
    ended = instance.create_run_for_job(job, status=STATUS.FAILURE)
    for run in (alive.run_id, ended.run_id, "deleted-by-housekeeping"):
        assert pool.claim_concurrency_slot(TLC, run, "green__raw_trips").is_claimed
    report_dead_runs(instance)
    assert pool.get_concurrency_info(TLC).active_run_ids == {alive.run_id}


def test_a_download_waits_until_a_slot_is_free_and_says_so(
    instance: dg.DagsterInstance, tmp_path: Path, postgres_url: str
) -> None:
    home = Home(tmp_path, TAXI_SOURCE="sample", TAXI_POSTGRES=postgres_url)
    pool = instance.event_log_storage
    ensure_pool(instance, TLC)
    others = [instance.create_run_for_job(job, tags=process_tags(), status=STATUS.STARTED).run_id for _ in range(4)]
    for run in others:
        assert pool.claim_concurrency_slot(TLC, run, "green__raw_trips").is_claimed
    fetched_before: list[bool] = []

    def free_one() -> None:
        while not pool.get_concurrency_info(TLC).pending_step_count:
            time.sleep(0.05)
        fetched_before.append((tmp_path / "lake" / "zones").exists())
        pool.free_concurrency_slots_for_run(others[0])

    helper = threading.Thread(target=free_one)
    helper.start()
    result = home.taxi("run", "zones")
    helper.join(30)
    assert result.returncode == 0
    assert "waits for a slot: Step blocked by limit for pool tlc" in result.stdout
    assert fetched_before == [False]
    assert pool.get_concurrency_info(TLC).active_run_ids == set(others[1:])


def _wait_for_a_lock(url: str) -> None:
    with psycopg.connect(url.replace("+psycopg2", ""), autocommit=True) as connection:
        for _ in range(200):
            if connection.execute("SELECT count(*) FROM pg_locks WHERE NOT granted").fetchone() != (0,):
                return
            time.sleep(0.05)
    raise AssertionError("nothing waits for the row")
