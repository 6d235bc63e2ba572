"""The sensor of a dataset, tick by tick, against a real server."""

from taxi_assets.automation import publication

from .world import World

SENSOR = "green_trips_published"


def test_the_first_tick_requests_nothing_and_says_how_to_backfill(world: World) -> None:
    world.publish("2026-08")
    requested, told = world.tick(SENSOR)
    assert requested == []
    assert told is not None
    assert "watched from 2026-09 on" in told
    assert "taxi run green 2014-01..2026-08" in told
    assert world.cursor(SENSOR) == {"next": "2026-09", "checked": "", "seen": {}}


def test_a_month_that_comes_out_is_requested_once(world: World) -> None:
    world.publish("2026-07")
    world.tick(SENSOR)
    assert world.tick(SENSOR) == ([], f"{world.cdn.url} has not published green 2026-08 yet")
    world.publish("2026-08")
    assert world.tick(SENSOR)[0] == ["2026-08"]
    assert world.tick(SENSOR)[0] == []
    assert world.cursor(SENSOR)["next"] == "2026-09"


def test_several_months_at_once_are_worked_off_some_a_tick(world: World) -> None:
    world.publish("2025-12")
    world.tick(SENSOR)
    for number in range(1, 9):
        world.publish(f"2026-{number:02}")
    first, second = world.tick(SENSOR)[0], world.tick(SENSOR)[0]
    assert first == [f"2026-{number:02}" for number in range(1, 7)]
    assert second == ["2026-07", "2026-08"]


def test_a_month_that_was_replaced_is_requested_and_no_other(world: World) -> None:
    for month in ("2026-06", "2026-07"):
        world.publish(month)
        assert world.load(month).success
    world.tick(SENSOR)
    assert world.tick(SENSOR)[0] == []
    world.publish("2026-06", etag='"second"', rows=150)
    assert world.tick(SENSOR)[0] == ["2026-06"]
    assert world.tick(SENSOR)[0] == []
    assert world.load("2026-06").success
    assert world.tick(SENSOR)[0] == []
    assert world.cursor(SENSOR)["seen"] == {}


def test_a_file_that_was_touched_and_has_the_same_bytes_is_left_alone(world: World) -> None:
    world.publish("2026-07")
    world.note_loaded("2026-07")
    world.tick(SENSOR)
    world.publish("2026-07", etag='"touched"')
    requested, told = world.tick(SENSOR)
    assert requested == []
    assert told is not None
    assert "2026-07 was touched, and has the same bytes" in told
    before = len(world.cdn.requests)
    assert world.tick(SENSOR)[0] == []
    assert [request.method for request in world.cdn.requests[before:]] == ["HEAD", "HEAD"]


def test_one_changed_file_is_fetched_a_tick(world: World) -> None:
    for month in ("2026-05", "2026-06", "2026-07"):
        world.publish(month)
        world.note_loaded(month)
    world.tick(SENSOR)
    for month in ("2026-05", "2026-06", "2026-07"):
        world.publish(month, etag='"second"', rows=150)
    assert [world.tick(SENSOR)[0] for _ in range(4)] == [["2026-05"], ["2026-06"], ["2026-07"], []]


def test_old_months_are_asked_for_in_turns(world: World) -> None:
    months = [f"2026-{number:02}" for number in range(1, 9)]
    for month in months:
        world.publish(month)
        world.note_loaded(month)
    world.tick(SENSOR)
    asked = []
    for _ in range(2):
        before = len(world.cdn.requests)
        world.tick(SENSOR)
        asked.append([request.path[-15:-8] for request in world.cdn.requests[before:]][1:])
    assert asked == [months[:6], [*months[6:], *months[:4]]]


def test_a_source_that_is_down_neither_fails_the_tick_nor_moves_the_cursor(world: World) -> None:
    world.publish("2026-07")
    world.tick(SENSOR)
    cursor = world.cursors[SENSOR]
    world.publish("2026-08")
    address, world.settings = (
        world.settings,
        world.settings.__class__(**{**vars(world.settings), "source": "http://127.0.0.1:9"}),
    )
    requested, told = world.tick(SENSOR)
    assert requested == []
    assert told is not None
    assert "does not answer and is asked again" in told
    world.settings = address
    world.cursors[SENSOR] = cursor
    assert world.tick(SENSOR)[0] == ["2026-08"]


def test_a_month_that_is_not_over_is_not_asked_for(world: World) -> None:
    world.publish("2999-01")
    world.publish("2026-10")
    world.tick(SENSOR)
    before = len(world.cdn.requests)
    assert world.tick(SENSOR) == ([], "2026-11 is not over yet")
    assert len(world.cdn.requests) == before


def test_a_replaced_file_that_is_broken_is_told_and_not_loaded(world: World) -> None:
    world.publish("2026-07")
    world.note_loaded("2026-07")
    world.tick(SENSOR)
    world.cdn.put("trip-data/green_tripdata_2026-07.parquet", b"<html>maintenance</html>", '"third"')
    requested, told = world.tick(SENSOR)
    assert requested == []
    assert told is not None
    assert "2026-07 has changed, and cannot be loaded as it is" in told


def test_a_tick_asks_the_server_a_bounded_number_of_times(world: World) -> None:
    for number in range(1, 11):
        world.publish(f"2025-{number:02}")
    world.tick(SENSOR)
    world.cursors[SENSOR] = '{"next": "2014-01"}'
    before = len(world.cdn.requests)
    world.tick(SENSOR)
    assert len(world.cdn.requests) - before <= publication.NEW_MONTHS_A_TICK + publication.OLD_MONTHS_A_TICK
