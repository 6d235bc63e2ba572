"""What `taxi status` prints, and what a monitor makes of it."""

import re

import pyarrow as pa
import pytest

from taxi_assets.catalog import Layer
from taxi_assets.month import Month
from taxi_assets.stores.base import TableSlice
from taxi_assets.stores.factory import opened_stores
from taxi_assets.stores.rows import Rows
from taxi_assets_tests.automation.world import GREEN, World

from .looking import EVERYWHERE, FIRST, LAST, NOT_OUT, SECOND, THIRD, document, everywhere, states, taxi

YEAR = LAST[:4]


def put_into_the_lake(world: World, *months: str) -> None:
    """Put a row into each month, and into no other store."""
    with opened_stores(world.settings, ["lake"]) as stores:
        for month in months:
            piece = TableSlice(GREEN.path(Layer.CLEAN), Month.parse(month))
            stores["lake"]().replace(piece, Rows.from_table(pa.table({"row": [1]})))


def test_nothing_is_loaded_yet_and_nothing_is_wrong(world: World) -> None:
    world.publish(LAST)
    shown = taxi("status")
    assert shown.stdout.splitlines() == [f"{name}: nothing loaded yet" for name in ("yellow", "green", "fhv", "fhvhv")]
    assert shown.exit_code == 0


@pytest.mark.slow
def test_a_store_that_is_not_asked_for_is_not_asked(loaded: World) -> None:
    loaded.settings.warehouse.path.unlink()
    loaded.settings.warehouse.path.mkdir()
    assert states(LAST, "--store", "postgres") == {"postgres": "loaded"}
    assert taxi("status", "green", "--store", "postgres").exit_code == 0


def test_after_ten_lines_the_rest_is_counted_and_can_be_asked_for(loaded: World) -> None:
    months = [str(GREEN.first_month.plus(2 * number)) for number in range(13)]
    put_into_the_lake(loaded, *months)
    shown = taxi("status", "green")
    lines = [line for line in shown.stdout.splitlines() if ": taxi run" in line]
    assert len(lines) == 10
    asked = re.search(r"^and (\d+) more: taxi (.*)$", shown.stdout, re.M)
    assert asked is not None
    everything = taxi(*asked[2].split())
    assert len([line for line in everything.stdout.splitlines() if ": taxi run" in line]) == 10 + int(asked[1])


@pytest.mark.slow
def test_all_is_well_where_every_month_that_is_shown_is_there(gap: World) -> None:
    shown = taxi("status", "green", LAST)
    assert shown.exit_code == 0
    assert "green: 1 month loaded" in shown.stdout
    assert re.search(rf"^{YEAR} all stores .*●", shown.stdout, re.M)
    assert "taxi run" not in shown.stdout


def test_a_gap_between_loaded_months_is_told_with_what_to_do(gap: World) -> None:
    shown = taxi("status", "green")
    assert shown.exit_code == 1
    assert f"green {SECOND}..{THIRD} missing: taxi run green {SECOND}..{THIRD}" in shown.stdout.splitlines()
    [problem] = document("status", "green")["problems"]
    assert problem == {
        "dataset": "green",
        "first_month": SECOND,
        "last_month": THIRD,
        "states": everywhere("missing"),
        "why": {},
        "failed_checks": {},
        "under_way": False,
        "next": f"taxi run green {SECOND}..{THIRD}",
    }


def test_filters_say_what_is_shown_and_what_counts(gap: World) -> None:
    assert taxi("status", "green", LAST).exit_code == 0
    assert taxi("status", "green", f"{FIRST}..{SECOND}").exit_code == 1
    assert taxi("status", "green", "--state", "loaded").exit_code == 0
    told = document("status", "green", f"{SECOND}..{NOT_OUT}", "--state", "missing,not_published", "--store", "lake")
    assert [(one["month"], one["store"], one["state"]) for one in told["slices"]] == [
        (SECOND, "lake", "missing"),
        (THIRD, "lake", "missing"),
        (NOT_OUT, "lake", "not_published"),
    ]


def test_the_table_fits_into_80_columns_without_colour(gap: World) -> None:
    shown = taxi("status").stdout
    assert "\x1b" not in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_json_holds_every_dataset_month_and_store_and_nothing_else(gap: World) -> None:
    told = document("status")
    assert set(told) == {"synthetic", "slices", "problems", "silent"}
    assert {tuple(one) for one in told["slices"]} == {("dataset", "month", "store", "state", "why")}
    assert {one["store"] for one in told["slices"]} == EVERYWHERE


@pytest.mark.parametrize(
    ("arguments", "exit_code", "told"),
    [
        (("status", "purple"), 1, "TLC publishes"),
        (("status", "green", "January"), 1, "write it as 2024-01"),
        (("status", "green", "--state", "lost"), 2, "loaded, stale, failed, missing, not_published"),
        (("status", "green", "--store", "attic"), 2, "postgres"),
    ],
)
def test_a_wrong_request_is_told(gap: World, arguments: tuple[str, ...], exit_code: int, told: str) -> None:
    refused = taxi(*arguments)
    assert refused.exit_code == exit_code
    assert told in refused.stderr
