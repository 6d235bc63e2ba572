"""Alerts for sensors and schedules whose ticks fail, as a webhook receives them."""

import time
from dataclasses import dataclass

import dagster as dg
import pytest
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteInstigatorOrigin, RemoteRepositoryOrigin
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    InstigatorTick,
    InstigatorType,
    ScheduleInstigatorData,
    TickData,
    TickStatus,
)
from dagster_shared.error import SerializableErrorInfo

from .webhooks import Webhook
from .world import World

TICKS = "tick_failure_alert"
NOTHING = ([], "nothing failed")
FAILURE, SKIPPED, SUCCESS = TickStatus.FAILURE, TickStatus.SKIPPED, TickStatus.SUCCESS


@dataclass
class Instigator:
    """A sensor or schedule that ticks once a second from now on."""

    instance: dg.DagsterInstance
    name: str
    kind: InstigatorType
    at: float = 0.0

    def __post_init__(self) -> None:
        self.at = time.time()
        repository = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("taxi_assets"), "__repository__")
        origin = RemoteInstigatorOrigin(repository, self.name)
        data = ScheduleInstigatorData("0 5 * * *") if self.kind is InstigatorType.SCHEDULE else None
        self.state = InstigatorState(origin, self.kind, InstigatorStatus.RUNNING, data)
        self.instance.add_instigator_state(self.state)

    def ticks(self, *statuses: TickStatus, error: str = "KeyError: 'next'") -> InstigatorTick:
        for status in statuses:
            self.at += 1
            wrapped = SerializableErrorInfo("dagster._core.errors.SensorExecutionError: in it\n", [], "Sensor")
            made = self.instance.create_tick(
                TickData(
                    instigator_origin_id=self.state.instigator_origin_id,
                    instigator_name=self.name,
                    instigator_type=self.kind,
                    status=status,
                    timestamp=self.at,
                    selector_id=self.state.selector_id,
                    run_ids=[],
                    error=wrapped._replace(cause=SerializableErrorInfo(f"{error}\n", [], "Error"))
                    if status is FAILURE
                    else None,
                )
            )
        return made


@pytest.fixture
def world(world_on_disk: World) -> World:
    """An instance in memory has no ticks."""
    return world_on_disk


@pytest.fixture
def sensor(alarmed: World) -> Instigator:
    return Instigator(alarmed.instance, "green_trips_published", InstigatorType.SENSOR)


@pytest.fixture
def schedule(alarmed: World) -> Instigator:
    return Instigator(alarmed.instance, "catch_up_schedule", InstigatorType.SCHEDULE)


def test_a_sensor_that_begins_to_fail_is_one_message_until_it_has_recovered(
    alarmed: World, webhook: Webhook, sensor: Instigator
) -> None:
    sensor.ticks(SKIPPED, FAILURE, FAILURE)
    assert alarmed.tick(TICKS) == ([], "1 alerts sent")
    assert webhook.texts == [
        "*ERROR sensor green_trips_published fails*\n"
        "KeyError: 'next'\n"
        "<https://dagster.example.org/locations/taxi_assets/sensors/green_trips_published|open the sensor>"
    ]
    for _ in range(3):
        sensor.ticks(FAILURE)
        assert alarmed.tick(TICKS) == NOTHING
    sensor.ticks(SUCCESS, FAILURE)
    assert alarmed.tick(TICKS) == NOTHING
    sensor.ticks(FAILURE, error="ValueError: another")
    assert alarmed.tick(TICKS) == ([], "1 alerts sent")
    assert "ValueError: another" in webhook.texts[1]


def test_a_sensor_that_fails_once_and_recovers_needs_no_alert(
    alarmed: World, webhook: Webhook, sensor: Instigator
) -> None:
    for _ in range(3):
        sensor.ticks(FAILURE, SKIPPED)
        assert alarmed.tick(TICKS) == NOTHING
    assert webhook.texts == []


def test_a_schedule_that_fails_once_is_reported(alarmed: World, webhook: Webhook, schedule: Instigator) -> None:
    schedule.ticks(FAILURE)
    assert alarmed.tick(TICKS) == ([], "1 alerts sent")
    assert webhook.texts[0].splitlines()[0] == "*ERROR schedule catch_up_schedule fails*"
    assert "/locations/taxi_assets/schedules/catch_up_schedule|open the schedule>" in webhook.texts[0]
    schedule.ticks(FAILURE)
    assert alarmed.tick(TICKS) == NOTHING


def test_a_schedule_whose_tick_was_retried_with_success_has_recovered(
    alarmed: World, webhook: Webhook, schedule: Instigator
) -> None:
    failed = schedule.ticks(FAILURE)
    alarmed.tick(TICKS)
    alarmed.instance.update_tick(failed.with_status(SUCCESS, error=None))
    schedule.ticks(FAILURE)
    assert alarmed.tick(TICKS) == ([], "1 alerts sent")


def test_a_webhook_that_is_down_loses_no_failing_sensor(
    alarmed: World, webhook: Webhook, sensor: Instigator, schedule: Instigator
) -> None:
    webhook.status = 500
    sensor.ticks(FAILURE, FAILURE, SUCCESS, FAILURE, FAILURE)
    schedule.ticks(FAILURE, SUCCESS)
    for _ in range(2):
        assert "does not take alerts: 500" in (alarmed.tick(TICKS)[1] or "")
    webhook.status = 200
    assert alarmed.tick(TICKS) == ([], "3 alerts sent")
    assert alarmed.tick(TICKS) == NOTHING
    assert sum("green_trips_published" in text.splitlines()[0] for text in webhook.texts) == 2


def test_an_outage_of_the_code_server_is_over_when_it_could_be_reported(
    alarmed: World, webhook: Webhook, sensor: Instigator
) -> None:
    sensor.ticks(FAILURE, FAILURE, FAILURE, error="Could not reach user code server. gRPC Error code: UNAVAILABLE")
    assert alarmed.tick(TICKS) == NOTHING
    sensor.ticks(FAILURE, FAILURE, error="User code server request timed out due to taking longer than 60 seconds")
    assert alarmed.tick(TICKS) == ([], "1 alerts sent")


def test_what_failed_before_the_alerts_began_is_history(alarmed: World, webhook: Webhook, sensor: Instigator) -> None:
    sensor.at -= 100
    sensor.ticks(FAILURE, FAILURE, FAILURE)
    assert alarmed.tick(TICKS) == NOTHING
    assert webhook.texts == []


def test_a_sensor_that_is_gone_is_dropped_from_the_cursor(alarmed: World, sensor: Instigator) -> None:
    sensor.ticks(FAILURE, FAILURE)
    alarmed.tick(TICKS)
    assert list(alarmed.cursor(TICKS)["streaks"]) == [sensor.state.selector_id]
    alarmed.instance.delete_instigator_state(sensor.state.instigator_origin_id, sensor.state.selector_id)
    other = Instigator(alarmed.instance, "fhv_trips_published", InstigatorType.SENSOR)
    other.ticks(FAILURE)
    alarmed.tick(TICKS)
    assert list(alarmed.cursor(TICKS)["streaks"]) == [other.state.selector_id]
