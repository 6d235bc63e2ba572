"""Alerts for assets that violate their freshness policy, as a webhook receives them."""

from datetime import UTC, datetime

import dagster as dg
import pytest
from dagster._core.definitions.freshness import FreshnessState, FreshnessStateChange
from dagster._core.events import DagsterEvent, DagsterEventType, StepMaterializationData
from dagster._core.instance.utils import RUNLESS_JOB_NAME, RUNLESS_RUN_ID

from .webhooks import Webhook
from .world import World

FRESHNESS = "freshness_alert"
NOTHING = ([], "nothing failed")
PASS, WARN, FAIL = FreshnessState.PASS, FreshnessState.WARN, FreshnessState.FAIL
LOADED_AT = datetime(2026, 3, 5, 12, tzinfo=UTC).timestamp()


def key(layer: str, dataset: str = "green") -> dg.AssetKey:
    return dg.AssetKey([dataset, layer])


def turns(world: World, state: FreshnessState, *keys: dg.AssetKey, at: float = LOADED_AT + 1) -> None:
    """Record the state as Dagster's freshness daemon does."""
    for one in keys:
        change = FreshnessStateChange(
            key=one, new_state=state, previous_state=FreshnessState.UNKNOWN, state_change_timestamp=at
        )
        world.instance._report_runless_asset_event(change)


@pytest.fixture
def loaded(alarmed: World) -> World:
    """One in which a month was loaded on 2026-03-05."""
    for layer in ("postgres_trips", "warehouse_trips"):
        materialization = dg.AssetMaterialization(key(layer), partition="2026-01")
        event = DagsterEvent(
            DagsterEventType.ASSET_MATERIALIZATION.value,
            RUNLESS_JOB_NAME,
            event_specific_data=StepMaterializationData(materialization),
        )
        alarmed.instance.report_dagster_event(event, RUNLESS_RUN_ID, timestamp=LOADED_AT)
    return alarmed


def test_a_late_dataset_is_one_message_that_names_its_assets_with_links(loaded: World, webhook: Webhook) -> None:
    turns(loaded, WARN, key("postgres_trips"), key("warehouse_trips"))
    assert loaded.tick(FRESHNESS) == ([], "1 alerts sent")
    reason = "last materialized on 2026-03-05 (2026-01), allowed are"
    [text] = webhook.texts
    title, postgres, warehouse = text.splitlines()
    assert title == "*WARN green is late*"
    link = "<https://dagster.example.org/assets/green/postgres_trips|green/postgres_trips>"
    assert postgres.startswith(f"WARN {link}: {reason}")
    assert postgres.endswith(" days")
    assert warehouse.startswith("WARN <https://dagster.example.org/assets/green/warehouse_trips|")
    assert loaded.tick(FRESHNESS) == NOTHING
    assert len(webhook.texts) == 1


def test_a_warning_that_becomes_a_failure_is_another_message(loaded: World, webhook: Webhook) -> None:
    turns(loaded, WARN, key("postgres_trips"))
    loaded.tick(FRESHNESS)
    turns(loaded, FAIL, key("postgres_trips"), at=LOADED_AT + 2)
    loaded.tick(FRESHNESS)
    assert [text.splitlines()[0] for text in webhook.texts] == ["*WARN green is late*", "*ERROR green is late*"]


def test_each_dataset_is_a_message_of_its_own(loaded: World, webhook: Webhook) -> None:
    turns(loaded, FAIL, key("postgres_trips"), key("postgres_trips", "yellow"))
    assert loaded.tick(FRESHNESS) == ([], "2 alerts sent")
    assert [text.splitlines()[0] for text in webhook.texts] == ["*ERROR green is late*", "*ERROR yellow is late*"]


def test_a_dataset_that_is_fresh_again_needs_no_alert_until_it_is_late_again(loaded: World, webhook: Webhook) -> None:
    turns(loaded, PASS, key("postgres_trips"))
    assert loaded.tick(FRESHNESS) == NOTHING
    for times, at in ((1, LOADED_AT + 2), (2, LOADED_AT + 4)):
        turns(loaded, WARN, key("postgres_trips"), at=at)
        loaded.tick(FRESHNESS)
        turns(loaded, PASS, key("postgres_trips"), at=at + 1)
        assert loaded.tick(FRESHNESS) == NOTHING
        assert len(webhook.texts) == times


def test_a_webhook_that_is_down_loses_no_late_dataset(loaded: World, webhook: Webhook) -> None:
    webhook.status = 500
    turns(loaded, FAIL, key("postgres_trips"), key("postgres_trips", "yellow"))
    for _ in range(2):
        assert "does not take alerts: 500" in (loaded.tick(FRESHNESS)[1] or "")
    webhook.status = 200
    assert loaded.tick(FRESHNESS) == ([], "2 alerts sent")
    assert loaded.tick(FRESHNESS) == NOTHING


def test_what_is_late_already_when_the_alerts_begin_is_reported(loaded: World, webhook: Webhook) -> None:
    turns(loaded, FAIL, key("postgres_trips"))
    loaded.cursors[FRESHNESS] = None
    loaded.tick(FRESHNESS)
    assert loaded.tick(FRESHNESS) == ([], "1 alerts sent")


def test_an_asset_without_a_freshness_policy_is_never_late(loaded: World, webhook: Webhook) -> None:
    turns(loaded, FAIL, key("raw_trips"))
    assert loaded.tick(FRESHNESS) == NOTHING
