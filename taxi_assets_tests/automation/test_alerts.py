"""Alerts as a webhook receives them."""

from collections.abc import Iterator

import dagster as dg
import pytest

from taxi_assets.automation.event_log import describe_run

from .webhooks import ALERT_SENSORS, SECRET, Webhook
from .world import World

RUNS, CHECKS = "run_failure_alert", "check_failure_alert"


def test_a_failed_run_is_told_with_month_store_error_and_link(alarmed: World, webhook: Webhook) -> None:
    alarmed.publish("2026-08")
    run = alarmed.load("2026-08", everything=True)
    assert not run.success
    assert alarmed.tick(RUNS) == ([], "1 alerts sent")
    [text] = webhook.texts
    first, *failed, link = text.splitlines()
    assert first == "*ERROR green 2026-08*"
    told = ": StoreUnavailable: Postgres at 127.0.0.1, database taxi"
    assert sorted(line.partition(told)[:2] for line in failed if line.startswith("ERROR")) == [
        ("ERROR green/daily_trips", told),
        ("ERROR green/postgres_trips", told),
    ]
    assert link == f"<https://dagster.example.org/runs/{run.run_id}|open the run>"
    assert alarmed.tick(RUNS) == ([], "nothing failed")
    assert len(webhook.texts) == 1


def test_a_month_that_is_not_published_fails_and_is_told(alarmed: World, webhook: Webhook) -> None:
    alarmed.publish("2026-07")
    alarmed.load("2026-08")
    alarmed.tick(RUNS)
    assert "ERROR green/raw_trips: NotPublished: " in webhook.texts[0]


def test_a_failed_check_is_told_although_the_run_went_on(
    alarmed: World, webhook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    alarmed.publish("2026-08")
    instance, key = alarmed.instance, dg.AssetKey(["green", "postgres_trips"])

    @dg.asset(key=key, check_specs=[dg.AssetCheckSpec("equals_clean", asset=key)])
    def table() -> Iterator[dg.Output[None] | dg.AssetCheckResult]:
        yield dg.Output(None)
        yield dg.AssetCheckResult(passed=False, metadata={"clean": 200, "loaded": 199})

    run = dg.materialize_to_memory([table], instance=instance, raise_on_error=False)
    assert alarmed.tick(CHECKS) == ([], "1 alerts sent")
    [text] = webhook.texts
    assert text.startswith(
        "*ERROR green*\nERROR green/postgres_trips: check equals_clean failed: clean 200, loaded 199\n"
    )
    assert run.run_id in text


@pytest.mark.parametrize("status", [500, 404, 429])
def test_a_webhook_that_is_down_loses_no_alert(alarmed: World, webhook: Webhook, status: int) -> None:
    webhook.status = status
    alarmed.load("2026-08")
    for _ in range(2):
        assert alarmed.tick(RUNS) == (
            [],
            f"the webhook does not take alerts: {status}; the remaining alerts are sent at the next tick",
        )
    webhook.status = 200
    alarmed.load("2026-07")
    assert alarmed.tick(RUNS) == ([], "2 alerts sent")
    assert ["2026-08" in webhook.texts[0], "2026-07" in webhook.texts[1]] == [True, True]


def test_no_secret_is_in_an_alert(alarmed: World, webhook: Webhook) -> None:
    leak = (
        f"could not connect to {alarmed.settings.postgres.dsn.get_secret_value()} as {SECRET}; told {webhook.url}; "
        "see https://me:hunter2@example.org/"
    )

    @dg.op
    def leaking() -> None:
        raise RuntimeError(leak)

    @dg.job
    def leaking_job() -> None:
        leaking()

    leaking_job.execute_in_process(instance=alarmed.instance, raise_on_error=False)
    alarmed.tick(RUNS)
    [text] = webhook.texts
    for secret in (SECRET, SECRET.replace(" ", "%20"), "t0ken", "hunter2"):
        assert secret not in text


@pytest.mark.parametrize("sensor", ALERT_SENSORS)
def test_nothing_is_told_without_a_webhook(world: World, sensor: str) -> None:
    assert world.tick(sensor) == ([], "TAXI_ALERT_WEBHOOK is not set")


def test_what_failed_before_the_sensor_began_is_history(alarmed: World, webhook: Webhook) -> None:
    alarmed.load("2026-08")
    alarmed.cursors.clear()
    assert alarmed.tick(RUNS) == ([], "initialized: alerts cover failures from now on")
    assert alarmed.tick(RUNS) == ([], "nothing failed")
    assert webhook.texts == []


def test_a_run_that_dagster_starts_again_by_itself_is_not_told(alarmed: World, webhook: Webhook) -> None:
    job = alarmed.definitions.resolve_job_def("green_trips_job")
    run = alarmed.instance.create_run_for_job(job, tags={"dagster/will_retry": "true"})
    alarmed.instance.report_run_failed(run)
    alarmed.tick(RUNS)
    assert webhook.texts == []


def checked(instance: dg.DagsterInstance, *severities: dg.AssetCheckSeverity, fails: bool = False) -> None:
    """A run of green's clean asset in which one check of each severity failed, as a backfill runs it."""
    key = dg.AssetKey(["green", "clean_trips"])
    names = [f"check_{number}" for number in range(len(severities))]

    @dg.asset(key=key, check_specs=[dg.AssetCheckSpec(name, asset=key) for name in names])
    def clean() -> Iterator[dg.Output[None] | dg.AssetCheckResult]:
        yield dg.Output(None)
        for name, severity in zip(names, severities, strict=True):
            yield dg.AssetCheckResult(check_name=name, passed=False, severity=severity, description=f"{name} is odd")
        if fails:
            raise dg.Failure("StoreUnavailable: the disk is full")

    tags = {"dagster/partition": "2024-01", "dagster/backfill": "abc"}
    dg.materialize_to_memory([clean], instance=instance, raise_on_error=False, tags=tags)


def test_what_is_odd_in_a_run_is_one_message_that_says_it_stopped_nothing(alarmed: World, webhook: Webhook) -> None:
    warn, error = dg.AssetCheckSeverity.WARN, dg.AssetCheckSeverity.ERROR
    checked(alarmed.instance, warn, warn)
    checked(alarmed.instance, warn, error)
    alarmed.tick(CHECKS)
    assert [text.splitlines()[:-1] for text in webhook.texts] == [
        [
            "*WARN green 2024-01*",
            "WARN green/clean_trips: check check_0 failed: check_0 is odd",
            "WARN green/clean_trips: check check_1 failed: check_1 is odd",
        ],
        [
            "*ERROR green 2024-01*",
            "WARN green/clean_trips: check check_0 failed: check_0 is odd",
            "ERROR green/clean_trips: check check_1 failed: check_1 is odd",
        ],
    ]


def test_a_run_that_failed_is_one_message_with_its_checks(alarmed: World, webhook: Webhook) -> None:
    checked(alarmed.instance, dg.AssetCheckSeverity.WARN, fails=True)
    alarmed.tick(RUNS)
    alarmed.tick(CHECKS)
    [text] = webhook.texts
    assert text.splitlines()[:-1] == [
        "*ERROR green 2024-01*",
        "ERROR green/clean_trips: StoreUnavailable: the disk is full",
        "WARN green/clean_trips: check check_0 failed: check_0 is odd",
    ]


@pytest.mark.slow
def test_a_month_that_its_own_check_refused_is_one_message_with_one_line(alarmed: World, webhook: Webhook) -> None:
    alarmed.publish("2026-08")
    alarmed.load("2026-08")  # as far as the lake
    alarmed.tick(RUNS)
    webhook.texts.clear()
    alarmed.publish("2026-08", etag='"shrunk"', rows=80)
    assert not alarmed.load("2026-08").success
    alarmed.tick(RUNS)
    alarmed.tick(CHECKS)
    [text] = webhook.texts
    first, *failed, link = text.splitlines()
    assert first == "*ERROR green 2026-08*"
    [error] = [line for line in failed if line.startswith("ERROR")]
    assert error.startswith("ERROR green/clean_trips: check not_shrunk failed: green 2026-08: ")
    assert link.endswith("|open the run>")


@pytest.mark.parametrize(
    ("job", "keys", "tags", "subject"),
    [
        ("green_trips_job", [], {"dagster/partition": "2024-01"}, "green 2024-01"),
        ("green_trips_checks_job", [], {"dagster/partition": "2024-01"}, "green 2024-01"),
        ("__ASSET_JOB", ["fhvhv/clean_trips", "fhvhv/report"], {"dagster/partition": "2024-01"}, "fhvhv 2024-01"),
        ("__ASSET_JOB", ["fhv/postgres_daily_trips"], {"dagster/partition": "2024-01"}, "fhv 2024-01"),
        (
            "__ASSET_JOB",
            ["green/clean_trips", "yellow/clean_trips"],
            {
                "dagster/asset_partition_range_start": "2024-01",
                "dagster/asset_partition_range_end": "2024-03",
            },
            "green yellow 2024-01..2024-03",
        ),
        ("__ASSET_JOB", ["zones/raw_zones", "zones/postgres_zones"], {}, "zones"),
        ("taxi_zones_job", [], {}, "zones"),
        ("catch_up_job", [], {}, "catch_up_job"),
    ],
)
def test_an_alert_names_dataset_and_month_however_the_run_was_started(
    job: str, keys: list[str], tags: dict[str, str], subject: str
) -> None:
    selection = {dg.AssetKey.from_user_string(key) for key in keys} or None
    assert describe_run(dg.DagsterRun(job_name=job, tags=tags, asset_selection=selection)) == subject
