"""Old runs go, and what a partition's state rests on stays: with Dagster's records in SQLite and in Postgres."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg
import pytest
from dagster._core.events import AssetMaterializationPlannedData, DagsterEvent
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteRepositoryOrigin
from dagster._core.storage.dagster_run import DagsterRunStatus
from dagster._core.test_utils import create_run_for_test

from taxi_assets import month as calendar
from taxi_assets.automation.catch_up import months_to_load
from taxi_assets.automation.housekeeping import housekeeping_job
from taxi_assets.automation.pruning import Pruned, prune_runs
from taxi_assets.source import open_source
from taxi_assets_tests.daemon.machines import records_url
from taxi_assets_tests.homes import Home

from .world import GREEN, World

MONTHS = dg.MonthlyPartitionsDefinition("2024-01", fmt="%Y-%m")
KINDS = dg.DagsterEventType
RAW, CLEAN, TABLE = (dg.AssetKey(["green", layer]) for layer in ("raw_trips", "clean_trips", "postgres_trips"))
CHECK = dg.AssetCheckKey(TABLE, "same_rows")


class Code(dg.Config):
    """What an asset is to do."""

    version: str = "1"
    fails: bool = False
    is_odd: bool = False


@dg.asset(key=RAW, partitions_def=MONTHS)
def raw(context: dg.AssetExecutionContext, config: Code) -> int:
    print("downloading")  # noqa: T201 - what a run prints is kept, too
    context.set_data_version(RAW, dg.DataVersion(config.version))
    return 1


@dg.asset(key=CLEAN, partitions_def=MONTHS, deps=[RAW])
def clean() -> int:
    return 1


@dg.asset(key=TABLE, partitions_def=MONTHS, deps=[CLEAN], check_specs=[dg.AssetCheckSpec("same_rows", asset=TABLE)])
def table(config: Code) -> Iterator[Any]:
    if config.fails:
        raise dg.Failure("StoreUnavailable: Postgres is down")
    yield dg.Output(1)
    yield dg.AssetCheckResult(passed=not config.is_odd)


@pytest.fixture(params=["sqlite", "postgres"])
def instance(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dg.DagsterInstance]:
    """One whose records are kept as the package, or as deploy/, keeps them."""
    home = tmp_path / "dagster"
    home.mkdir()
    storage = "{custom: {module: taxi_assets.automation.instance_storage, class: HomeStorage, config: {base_dir: %s}}}"
    text = storage % home
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_url")
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("DROP DATABASE IF EXISTS housekept WITH (FORCE)")
            connection.execute("CREATE DATABASE housekept")
        monkeypatch.setenv("RECORDS", records_url(url, "housekept"))
        text = "{postgres: {postgres_url: {env: RECORDS}}}"
    (home / "dagster.yaml").write_text(f"telemetry: {{enabled: false}}\nstorage: {text}\n")
    with dg.DagsterInstance.from_config(str(home)) as instance:
        yield instance


def run(instance: dg.DagsterInstance, month: str, *assets: Any, **config: Any) -> str:
    """The id of a run of these assets, all by default."""
    asked = {"version": config.pop("version", "1")}, config
    wanted = {"green__raw_trips": {"config": asked[0]}, "green__postgres_trips": {"config": asked[1]}}
    chosen = assets or (raw, clean, table)
    names = {asset.op.name for asset in chosen}
    result = dg.materialize(
        [raw, clean, table],
        selection=[asset.key for asset in chosen],
        instance=instance,
        partition_key=month,
        raise_on_error=False,
        run_config={"ops": {name: config for name, config in wanted.items() if name in names}},
    )
    assert result.success is not config.get("fails", False)
    return str(result.run_id)


def prune(instance: dg.DagsterInstance, limit: int = 1_000) -> Pruned:
    """As if all runs were old."""
    return prune_runs(instance, datetime.now(tz=UTC) + timedelta(minutes=1), limit)


def run_ids(instance: dg.DagsterInstance) -> set[str]:
    return {run.run_id for run in instance.get_runs()}


def state(instance: dg.DagsterInstance) -> dict[str, Any]:
    """What Dagster's UI and sensors derive the state of partitions from."""
    storage, found = instance.event_log_storage, {}
    for key in (RAW, CLEAN, TABLE):
        name = key.to_user_string()
        kinds = (KINDS.ASSET_MATERIALIZATION, KINDS.ASSET_OBSERVATION, KINDS.ASSET_MATERIALIZATION_PLANNED)
        found[f"{name} newest"] = [instance.get_latest_storage_id_by_partition(key, kind) for kind in kinds]
        found[f"{name} made"] = instance.get_materialized_partitions(key)
        found[f"{name} failed"] = storage.get_latest_asset_partition_materialization_attempts_without_materializations(
            key
        )
        found[f"{name} versions"] = instance.get_latest_data_version_record(key)
        found[f"{name} stale"] = {month: stale(instance, key, month) for month in found[f"{name} made"]}
    found["checks"] = storage.get_latest_asset_check_execution_by_key([CHECK])
    found["checks by month"] = storage.get_asset_check_partition_info([CHECK])
    return found


def stale(instance: dg.DagsterInstance, key: dg.AssetKey, month: str) -> Any:
    from dagster._core.definitions.data_version import CachingStaleStatusResolver
    from dagster._core.loader import LoadingContextForTest

    graph = dg.Definitions([raw, clean, table]).resolve_asset_graph()
    return CachingStaleStatusResolver(instance, graph, LoadingContextForTest(instance)).get_status(key, month)


@pytest.mark.slow
def test_runs_that_were_made_again_go_and_every_state_stays(instance: dg.DagsterInstance) -> None:
    replaced = {run(instance, "2024-01"), run(instance, "2024-02", fails=True)}
    kept = {
        run(instance, "2024-01", version="2"),
        run(instance, "2024-02", is_odd=True),
        run(instance, "2024-03"),
        run(instance, "2024-03", table, fails=True),  # the newest run failed
        run(instance, "2024-04", table, fails=True),  # and here it is the only one
    }
    before = state(instance)
    pruned = prune(instance)
    assert run_ids(instance) == kept
    assert (pruned.runs, pruned.kept, pruned.is_complete) == (len(replaced), len(kept), True)
    assert state(instance) == before
    assert prune(instance).runs == 0


def test_a_result_of_a_check_stays_although_its_month_was_not_checked_last(instance: dg.DagsterInstance) -> None:
    @dg.op(config_schema={"month": str})
    def check(context: dg.OpExecutionContext) -> None:
        evaluation = dg.AssetCheckEvaluation(
            asset_key=TABLE, check_name="same_rows", passed=False, metadata={}, partition=context.op_config["month"]
        )
        context.log_event(evaluation)

    @dg.job
    def checking() -> None:
        check()

    replaced, january, february = (
        checking.execute_in_process({"ops": {"check": {"config": {"month": month}}}}, instance).run_id
        for month in ("2024-01", "2024-01", "2024-02")
    )
    prune(instance)
    assert run_ids(instance) == {january, february}
    assert replaced not in run_ids(instance)


def test_what_a_partition_was_made_from_stays_so_that_it_does_not_turn_stale(instance: dg.DagsterInstance) -> None:
    read = run(instance, "2024-01", raw)
    run(instance, "2024-01", clean)
    run(instance, "2024-01", raw)  # the same file once more
    assert stale(instance, CLEAN, "2024-01").value == "FRESH"
    prune(instance)
    assert read in run_ids(instance)
    assert stale(instance, CLEAN, "2024-01").value == "FRESH"


def test_the_newest_attempt_stays_although_its_process_was_killed(instance: dg.DagsterInstance) -> None:
    replaced, newest = (create_run_for_test(instance, status=DagsterRunStatus.FAILURE) for _ in range(2))
    for one in (replaced, newest):
        planned = AssetMaterializationPlannedData(TABLE, partition="2024-01")
        event = DagsterEvent.build_asset_materialization_planned_event("job", "table", planned)
        instance.report_dagster_event(event, one.run_id)
    prune(instance)
    assert run_ids(instance) == {newest.run_id}


def test_an_observation_stays(instance: dg.DagsterInstance) -> None:
    @dg.op
    def observe(context: dg.OpExecutionContext) -> None:
        context.log_event(dg.AssetObservation(["tlc", "green_tripdata"], partition="2024-01"))

    @dg.job
    def observing() -> None:
        observe()

    first, second = (observing.execute_in_process(instance=instance).run_id for _ in range(2))
    prune(instance)
    assert first not in run_ids(instance)
    assert second in run_ids(instance)


def test_nothing_of_a_deleted_run_is_left(instance: dg.DagsterInstance) -> None:
    gone, kept = (run(instance, "2024-01") for _ in range(2))
    home = Path(instance.root_directory)
    assert any(gone in str(path) for path in home.rglob("*"))  # what it printed, and in SQLite its events
    size = sum(path.stat().st_size for path in home.rglob("*") if path.is_file() and gone in str(path))
    assert prune(instance).size == size > 0
    assert not [path for path in home.rglob("*") if gone in str(path)]
    assert [path for path in home.rglob("*") if kept in str(path)]
    assert instance.get_run_by_id(gone) is None
    history = instance.event_log_storage.get_asset_check_execution_history(CHECK, limit=10)
    assert {one.run_id for one in history} == {kept}
    with dg.DagsterInstance.from_config(str(home)) as another:
        assert not another.all_logs(gone)
        assert another.all_logs(kept)


def test_a_run_in_progress_is_left_alone(instance: dg.DagsterInstance) -> None:
    origin = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("taxi_assets"), "__repository__").get_job_origin("job")
    going = {
        create_run_for_test(instance, status=status, remote_job_origin=origin).run_id
        for status in DagsterRunStatus
        if status not in (DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED)
    }
    ended = create_run_for_test(instance, status=DagsterRunStatus.CANCELED)
    assert prune(instance).runs == 1
    assert run_ids(instance) == going
    assert ended.run_id not in going


def test_a_run_that_ended_lately_is_left_alone(instance: dg.DagsterInstance) -> None:
    run(instance, "2024-01")
    run(instance, "2024-01")
    assert prune_runs(instance, datetime.now(tz=UTC) - timedelta(minutes=5), 1_000).runs == 0


def test_runs_of_a_backfill_under_way_are_left_alone(instance: dg.DagsterInstance) -> None:
    backfill = PartitionBackfill("abcdefgh", BulkActionStatus.REQUESTED, False, {}, 1.0)
    instance.add_backfill(backfill)
    create_run_for_test(instance, status=DagsterRunStatus.SUCCESS, tags={"dagster/backfill": "abcdefgh"})
    assert prune(instance).runs == 0
    instance.update_backfill(backfill.with_status(BulkActionStatus.COMPLETED_SUCCESS))
    assert prune(instance).runs == 1


def test_the_first_try_of_a_kept_run_stays_with_it(instance: dg.DagsterInstance) -> None:
    first = create_run_for_test(instance, status=DagsterRunStatus.FAILURE)
    family = {"parent_run_id": first.run_id, "root_run_id": first.run_id}
    tags = {f"dagster/{name}": run_id for name, run_id in family.items()}
    again = create_run_for_test(instance, status=DagsterRunStatus.STARTED, tags=tags, **family)
    assert prune(instance).runs == 0
    assert instance.get_run_group(again.run_id) is not None


def test_a_limit_leaves_the_newer_runs_for_the_next_time(instance: dg.DagsterInstance) -> None:
    runs = [create_run_for_test(instance, status=DagsterRunStatus.SUCCESS).run_id for _ in range(5)]
    pruned = prune(instance, limit=2)
    assert (pruned.runs, pruned.is_complete) == (2, False)
    assert run_ids(instance) == set(runs[2:])
    assert prune(instance).is_complete


@pytest.mark.slow
def test_the_job_prunes_what_is_older_than_its_days_and_says_so(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone, kept = (run(instance, "2024-01") for _ in range(2))
    assert housekeeping_job.execute_in_process(instance=instance).success
    assert gone in run_ids(instance)
    hundred_days_later = datetime.now(tz=UTC) + timedelta(days=100)
    monkeypatch.setattr(calendar, "now", lambda: hundred_days_later)
    result = housekeeping_job.execute_in_process(instance=instance)
    assert gone not in run_ids(instance)
    assert kept in run_ids(instance)
    said = [entry.user_message for entry in instance.all_logs(result.run_id)]
    assert any(text.startswith("deleted 2 runs older than 90 days and") for text in said)  # housekeeping's own, too
    [output] = [entry for entry in instance.all_logs(result.run_id, of_type=KINDS.STEP_OUTPUT)]
    facts = output.dagster_event.step_output_data.metadata
    assert facts["deleted_runs"].value == 2


@pytest.mark.slow
def test_status_sensors_and_catching_up_see_the_same_before_and_after(world_on_disk: World) -> None:
    world, sensor = world_on_disk, "green_trips_published"
    for month in ("2026-07", "2026-08"):
        world.publish(month)
        world.load(month)
    assert world.load("2026-07").success
    world.publish("2026-08", etag='"shrunk"', rows=80)
    assert not world.load("2026-08").success  # the newest run failed, and the month stays as it was

    def seen() -> list[Any]:
        world.cursors[sensor] = json.dumps({"next": "2026-09", "adopted": False})
        status = Home(world.settings.home, TAXI_SOURCE=world.cdn.url).taxi("status", "green", "--json")
        missing = months_to_load(world.instance, open_source(world.settings.source), GREEN)
        return [status.stdout, world.tick(sensor), world.cursor(sensor), missing]

    before = seen()
    assert '"failed"' in before[0]
    assert prune(world.instance).runs == 1
    assert seen() == before


def test_housekeeping_is_off_at_first() -> None:
    from taxi_assets.definitions import defs

    assert defs.resolve_schedule_def("housekeeping_schedule").default_status is dg.DefaultScheduleStatus.STOPPED
