"""Alerts for backfills that ended with failed months, as a webhook receives them."""

import time
from collections.abc import Sequence

import dagster as dg
import pytest
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill
from dagster_shared.error import SerializableErrorInfo

from .webhooks import Webhook
from .world import World

BACKFILLS, RUNS = "backfill_failure_alert", "run_failure_alert"
NOTHING = ([], "nothing failed")


@dg.op
def breaking() -> None:
    raise dg.Failure("StoreUnavailable: the disk is full")


@dg.op
def working() -> None:
    pass


@dg.job
def green_trips_job() -> None:
    breaking()


@dg.job(name="green_trips_job")
def mended_job() -> None:
    working()


def begun(instance: dg.DagsterInstance, name: str, created: float | None = None) -> PartitionBackfill:
    backfill = PartitionBackfill(name, BulkActionStatus.REQUESTED, False, {}, created or time.time(), title=None)
    instance.add_backfill(backfill)
    return backfill


def ended(
    instance: dg.DagsterInstance,
    backfill: PartitionBackfill,
    status: BulkActionStatus = BulkActionStatus.COMPLETED_FAILED,
    error: str | None = None,
) -> None:
    instance.update_backfill(
        backfill.with_status(status)
        .with_end_timestamp(time.time())
        .with_error(SerializableErrorInfo(error, [], "") if error else None)
    )


def loaded(
    instance: dg.DagsterInstance, backfill: PartitionBackfill, *months: str, fails: Sequence[str] = (), **tags: str
) -> list[str]:
    """A run of each month, as the daemon launches it for the backfill."""
    runs = []
    for month in months:
        job = green_trips_job if month in fails else mended_job
        named = {"dagster/partition": month, "dagster/backfill": backfill.backfill_id, **tags}
        runs.append(job.execute_in_process(instance=instance, raise_on_error=False, tags=named).run_id)
    return runs


def test_a_backfill_with_failed_months_is_one_message_when_it_has_ended(alarmed: World, webhook: Webhook) -> None:
    backfill = begun(alarmed.instance, "abcdefgh")
    loaded(alarmed.instance, backfill, "2024-01", "2024-02", "2024-03", fails=["2024-02", "2024-03"])
    assert alarmed.tick(BACKFILLS) == NOTHING
    ended(alarmed.instance, backfill)
    assert alarmed.tick(BACKFILLS) == ([], "1 alerts sent")
    assert webhook.texts == [
        "*ERROR backfill abcdefgh: 2 of 3 runs failed*\n"
        "green 2024-02: breaking: StoreUnavailable: the disk is full\n"
        "green 2024-03: breaking: StoreUnavailable: the disk is full\n"
        "<https://dagster.example.org/runs/b/abcdefgh|open the backfill>"
    ]
    assert alarmed.tick(BACKFILLS) == NOTHING
    assert len(webhook.texts) == 1


def test_only_the_first_failed_run_of_a_backfill_is_a_message_of_its_own(alarmed: World, webhook: Webhook) -> None:
    backfill = begun(alarmed.instance, "abcdefgh")
    first, *_ = loaded(alarmed.instance, backfill, "2024-01", "2024-02", fails=["2024-01", "2024-02"])
    alarmed.tick(RUNS)
    loaded(alarmed.instance, backfill, "2024-03", fails=["2024-03"])
    alarmed.tick(RUNS)
    [text] = webhook.texts
    assert text.startswith("*ERROR green 2024-01*")
    assert first in text


def test_a_run_that_the_daemon_makes_again_is_not_the_first_that_failed(alarmed: World, webhook: Webhook) -> None:
    backfill = begun(alarmed.instance, "abcdefgh")
    loaded(alarmed.instance, backfill, "2024-01", fails=["2024-01"], **{"dagster/will_retry": "true"})
    loaded(alarmed.instance, backfill, "2024-02", fails=["2024-02"])
    alarmed.tick(RUNS)
    assert [text.splitlines()[0] for text in webhook.texts] == ["*ERROR green 2024-02*"]


def test_a_month_whose_run_was_made_again_did_not_fail(alarmed: World, webhook: Webhook) -> None:
    backfill = begun(alarmed.instance, "abcdefgh")
    [killed, _] = loaded(alarmed.instance, backfill, "2024-01", "2024-02", fails=["2024-01", "2024-02"])
    loaded(alarmed.instance, backfill, "2024-01", **{"dagster/root_run_id": killed, "dagster/parent_run_id": killed})
    ended(alarmed.instance, backfill)
    alarmed.tick(BACKFILLS)
    assert [text.splitlines()[0] for text in webhook.texts] == ["*ERROR backfill abcdefgh: 1 of 2 runs failed*"]
    assert "2024-01" not in webhook.texts[0]


@pytest.mark.parametrize("status", [BulkActionStatus.COMPLETED_SUCCESS, BulkActionStatus.CANCELED])
def test_a_backfill_without_failed_months_needs_no_alert(
    alarmed: World, webhook: Webhook, status: BulkActionStatus
) -> None:
    backfill = begun(alarmed.instance, "abcdefgh")
    loaded(alarmed.instance, backfill, "2024-01")
    ended(alarmed.instance, backfill, status)
    assert alarmed.tick(BACKFILLS) == NOTHING
    assert webhook.texts == []


def test_a_backfill_that_was_canceled_after_a_month_failed_is_reported(alarmed: World, webhook: Webhook) -> None:
    backfill = begun(alarmed.instance, "abcdefgh")
    loaded(alarmed.instance, backfill, "2024-01", fails=["2024-01"])
    ended(alarmed.instance, backfill, BulkActionStatus.CANCELED)
    assert alarmed.tick(BACKFILLS) == ([], "1 alerts sent")


def test_a_backfill_that_stopped_says_why(alarmed: World, webhook: Webhook) -> None:
    ended(alarmed.instance, begun(alarmed.instance, "abcdefgh"), BulkActionStatus.FAILED, "the code is gone\nat line 1")
    alarmed.tick(BACKFILLS)
    assert webhook.texts[0].splitlines()[:2] == [
        "*ERROR backfill abcdefgh: 0 of 0 runs failed*",
        "the backfill stopped: the code is gone",
    ]


def test_every_failed_month_is_named_however_many_there_are(alarmed: World, webhook: Webhook) -> None:
    months = [f"{year}-{month:02}" for year in (2020, 2021) for month in range(1, 13)]
    backfill = begun(alarmed.instance, "abcdefgh")
    loaded(alarmed.instance, backfill, *months, fails=months)
    ended(alarmed.instance, backfill)
    alarmed.tick(BACKFILLS)
    [text] = webhook.texts
    assert all(f"green {month}" in text for month in months)
    assert text.count("the disk is full") == 20


def test_a_webhook_that_is_down_loses_no_backfill(alarmed: World, webhook: Webhook) -> None:
    webhook.status = 500
    for name in ("abcdefgh", "ijklmnop"):
        backfill = begun(alarmed.instance, name)
        loaded(alarmed.instance, backfill, "2024-01", fails=["2024-01"])
        ended(alarmed.instance, backfill)
    for _ in range(2):
        assert "does not take alerts: 500" in (alarmed.tick(BACKFILLS)[1] or "")
    webhook.status = 200
    assert alarmed.tick(BACKFILLS) == ([], "2 alerts sent")
    assert alarmed.tick(BACKFILLS) == NOTHING
    assert ["abcdefgh" in webhook.texts[0], "ijklmnop" in webhook.texts[1]] == [True, True]


def test_a_backfill_of_days_ago_that_ends_today_is_reported_once(alarmed: World, webhook: Webhook) -> None:
    days_ago = begun(alarmed.instance, "daysago", time.time() - 300_000)
    alarmed.cursors[BACKFILLS] = None
    ended(alarmed.instance, begun(alarmed.instance, "history"))
    alarmed.tick(BACKFILLS)
    assert alarmed.tick(BACKFILLS) == NOTHING
    loaded(alarmed.instance, days_ago, "2024-01", fails=["2024-01"])
    ended(alarmed.instance, days_ago)
    assert alarmed.tick(BACKFILLS) == ([], "1 alerts sent")
    assert alarmed.tick(BACKFILLS) == NOTHING
    assert "daysago" in webhook.texts[0]


def test_the_cursor_forgets_backfills_that_ended_long_ago(alarmed: World) -> None:
    for number in range(5):
        ended(alarmed.instance, begun(alarmed.instance, f"old{number}", time.time() - 3_000))
    alarmed.tick(BACKFILLS)
    assert alarmed.cursor(BACKFILLS)["examined"] == []
