"""What is made from a clean month follows it when that was made again without it."""

from uuid import uuid4

import dagster as dg
import pytest
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationTargetMaterializationData,
)

from taxi_assets.catalog import DAILY_IN, Layer
from taxi_assets.definitions import defs
from taxi_assets_tests.homes import LAKE_LAYERS

from .world import GREEN, LAYERS, World

TABLES = [dg.AssetKey(GREEN.key(layer)) for layer in (Layer.POSTGRES, Layer.WAREHOUSE)]
DAILY = [dg.AssetKey(GREEN.key(layer)) for layer in DAILY_IN.values()]
PAGE = dg.AssetKey(GREEN.key(Layer.REPORT))
FOLLOWERS = [*TABLES, *DAILY, PAGE]
EVERYTHING = [*(dg.AssetKey(GREEN.key(layer)) for layer in LAYERS), *DAILY, PAGE]
CLEAN = dg.AssetKey(GREEN.key(Layer.CLEAN))
CHECKS = ("not_shrunk", "rows_accounted_for")  # those that block


def made(instance: dg.DagsterInstance, *keys: dg.AssetKey, month: str) -> None:
    """Record the assets as made, and the checks of clean rows as passed."""
    for key in keys:
        instance.report_runless_asset_event(dg.AssetMaterialization(key, partition=month))
        for check in CHECKS if key == CLEAN else ():
            passed(instance, check, month)


def passed(instance: dg.DagsterInstance, check: str, month: str) -> None:
    """Record that the check passed for the month's newest clean rows."""
    wanted = dg.AssetRecordsFilter(asset_key=CLEAN, asset_partitions=[month])
    [newest] = instance.fetch_materializations(wanted, limit=1).records
    target = AssetCheckEvaluationTargetMaterializationData(
        storage_id=newest.storage_id, run_id=newest.run_id, timestamp=newest.timestamp
    )
    evaluation = dg.AssetCheckEvaluation(
        asset_key=CLEAN,
        check_name=check,
        passed=True,
        target_materialization_data=target,
        partition=month,
    )
    event = dg.DagsterEvent(dg.DagsterEventType.ASSET_CHECK_EVALUATION.value, "job", event_specific_data=evaluation)
    instance.report_dagster_event(event, run_id=str(uuid4()))


def test_a_month_that_was_cleaned_again_is_loaded_again_and_no_other() -> None:
    instance = dg.DagsterInstance.ephemeral()
    selection = dg.AssetSelection.assets(*FOLLOWERS)
    for month in ("2019-05", "2024-01"):
        made(instance, *EVERYTHING, month=month)
    result = dg.evaluate_automation_conditions(defs, instance, asset_selection=selection)
    assert [result.get_requested_partitions(key) for key in FOLLOWERS] == [set()] * 5
    made(instance, CLEAN, month="2019-05")
    result = dg.evaluate_automation_conditions(defs, instance, asset_selection=selection, cursor=result.cursor)
    assert [result.get_requested_partitions(key) for key in FOLLOWERS] == [{"2019-05"}] * 5
    result = dg.evaluate_automation_conditions(defs, instance, asset_selection=selection, cursor=result.cursor)
    assert [result.get_requested_partitions(key) for key in FOLLOWERS] == [set()] * 5


def test_a_month_whose_followers_were_made_with_it_is_left_alone() -> None:
    instance = dg.DagsterInstance.ephemeral()
    selection = dg.AssetSelection.assets(*FOLLOWERS)
    result = dg.evaluate_automation_conditions(defs, instance, asset_selection=selection)
    made(instance, *EVERYTHING, month="2024-01")
    result = dg.evaluate_automation_conditions(defs, instance, asset_selection=selection, cursor=result.cursor)
    assert [result.get_requested_partitions(key) for key in FOLLOWERS] == [set()] * 5


def test_one_sensor_evaluates_the_conditions_and_is_off_at_first() -> None:
    sensors = [one for one in defs.get_repository_def().sensor_defs if one.sensor_type.is_handled_by_asset_daemon]
    assert [(one.name, one.default_status) for one in sensors] == [
        ("default_automation_condition_sensor", dg.DefaultSensorStatus.STOPPED)
    ]


@pytest.mark.slow
def test_a_month_that_a_run_cleaned_again_and_checked_is_followed(world: World) -> None:
    selection = dg.AssetSelection.assets(*FOLLOWERS)
    world.publish("2024-01")
    assert world.load("2024-01", everything=True).success
    result = dg.evaluate_automation_conditions(world.definitions, world.instance, asset_selection=selection)
    job = world.definitions.resolve_job_def("green_trips_job")
    lake = [dg.AssetKey(GREEN.key(layer)) for layer in LAKE_LAYERS]
    assert job.execute_in_process(partition_key="2024-01", instance=world.instance, asset_selection=lake).success
    result = dg.evaluate_automation_conditions(
        world.definitions, world.instance, asset_selection=selection, cursor=result.cursor
    )
    assert [result.get_requested_partitions(key) for key in FOLLOWERS] == [{"2024-01"}] * 5


def test_tables_say_when_they_are_late() -> None:
    for key in TABLES:
        policy = defs.resolve_assets_def(key).get_asset_spec(key).freshness_policy
        assert (policy.warn_window.to_timedelta().days, policy.fail_window.to_timedelta().days) == (79, 112)
