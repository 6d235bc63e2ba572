"""Tables follow their clean month when that was made again without them."""

import dagster as dg

from taxi_assets.definitions import defs

from .world import GREEN, LAYERS

TABLES = [dg.AssetKey([store, GREEN.table]) for store in ("postgres", "warehouse")]
CLEAN = dg.AssetKey(["clean", GREEN.table])
CHECK = "rows_accounted_for"


def made(instance: dg.DagsterInstance, *keys: dg.AssetKey, month: str) -> None:
    """Record the assets as made, and clean rows as accounted for."""
    for key in keys:
        instance.report_runless_asset_event(dg.AssetMaterialization(key, partition=month))
        if key == CLEAN:
            instance.report_runless_asset_event(
                dg.AssetCheckEvaluation(asset_key=CLEAN, check_name=CHECK, passed=True, metadata={})
            )


def test_a_month_that_was_cleaned_again_is_loaded_again_and_no_other() -> None:
    instance = dg.DagsterInstance.ephemeral()
    selection = dg.AssetSelection.assets(*TABLES)
    for month in ("2019-05", "2024-01"):
        made(instance, *(dg.AssetKey([layer, GREEN.table]) for layer in LAYERS), month=month)
    result = dg.evaluate_automation_conditions(defs, instance, asset_selection=selection)
    assert [result.get_requested_partitions(key) for key in TABLES] == [set(), set()]
    made(instance, CLEAN, month="2019-05")
    result = dg.evaluate_automation_conditions(defs, instance, asset_selection=selection, cursor=result.cursor)
    assert [result.get_requested_partitions(key) for key in TABLES] == [{"2019-05"}, {"2019-05"}]
    result = dg.evaluate_automation_conditions(defs, instance, asset_selection=selection, cursor=result.cursor)
    assert [result.get_requested_partitions(key) for key in TABLES] == [set(), set()]


def test_a_month_whose_table_was_made_with_it_is_left_alone() -> None:
    instance = dg.DagsterInstance.ephemeral()
    selection = dg.AssetSelection.assets(*TABLES)
    result = dg.evaluate_automation_conditions(defs, instance, asset_selection=selection)
    made(instance, *(dg.AssetKey([layer, GREEN.table]) for layer in LAYERS), month="2024-01")
    result = dg.evaluate_automation_conditions(defs, instance, asset_selection=selection, cursor=result.cursor)
    assert [result.get_requested_partitions(key) for key in TABLES] == [set(), set()]


def test_tables_say_when_they_are_late() -> None:
    for key in TABLES:
        policy = defs.resolve_assets_def(key).get_asset_spec(key).freshness_policy
        assert (policy.warn_window.to_timedelta().days, policy.fail_window.to_timedelta().days) == (79, 112)
