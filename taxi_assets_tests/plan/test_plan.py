"""What `taxi plan` lists, why, and at what cost."""

from dataclasses import replace
from typing import Any

import dagster as dg
import pytest

from taxi_assets.catalog import RULES
from taxi_assets_tests.automation.world import GREEN, ROWS, World
from taxi_assets_tests.status.looking import EVERYWHERE, FIRST, LAST, NOT_OUT, SECOND, THIRD, document, everywhere, taxi


def planned(*arguments: str) -> dict[str, dict[str, Any]]:
    """Months in a row -> what the plan has of them."""
    found = document("plan", "green", *arguments)["load"]
    return {f"{one['first_month']}..{one['last_month']}": one for one in found}


def why(*arguments: str) -> dict[str, dict[str, list[str]]]:
    return {months: one["why"] for months, one in planned(*arguments).items()}


def size(world: World, month: str) -> int:
    """Bytes of the month's file on the server."""
    return len(world.cdn.files[f"trip-data/green_tripdata_{month}.parquet"][0])


def run_of(world: World, month: str, status: dg.DagsterRunStatus) -> None:
    job = world.definitions.resolve_job_def("green_trips_job")
    world.instance.create_run_for_job(job, tags={"dagster/partition": month}, status=status)


def test_nothing_to_load_where_nothing_was_loaded_yet(world: World) -> None:
    world.publish(LAST)
    shown = taxi("plan", "green")
    assert (shown.stdout.strip(), shown.exit_code) == ("nothing to load", 0)


@pytest.mark.slow
def test_a_gap_between_loaded_months_is_missing(gap: World) -> None:
    [(months, one)] = planned().items()
    assert months == f"{SECOND}..{THIRD}"
    assert one["states"] == everywhere("missing")
    assert one["files"] == 2


def test_months_that_are_asked_for_are_listed_before_the_first_loaded_one_too(gap: World) -> None:
    first = str(GREEN.first_month)
    assert list(planned(first)) == [f"{first}..{first}"]
    assert planned(FIRST) == {}


def test_months_that_are_not_published_are_left_out_and_named(gap: World) -> None:
    assert document("plan", "green", f"{THIRD}..{NOT_OUT}")["not_published"] == {"green": [NOT_OUT]}
    shown = taxi("plan", "green", NOT_OUT)
    assert shown.stdout.splitlines()[-2:] == ["nothing to load", f"left out: green {NOT_OUT}: not published yet"]


def test_a_month_that_a_run_is_loading_is_left_out_and_named(world: World) -> None:
    world.publish(LAST)
    run_of(world, LAST, dg.DagsterRunStatus.STARTED)
    assert planned(LAST) == {}
    assert f"left out: green {LAST}: a run or a backfill is under way" in taxi("plan", "green", LAST).stdout


def test_a_month_whose_run_failed_is_listed_as_failed(world: World) -> None:
    world.cdn.put(f"trip-data/green_tripdata_{LAST}.parquet", b"<Error>AccessDenied</Error>")
    assert not world.load(LAST).success
    assert [one["states"] for one in planned().values()] == [everywhere("failed")]


def test_one_rule_s_bound_lists_exactly_the_months_that_were_loaded_by_it(
    gap: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = [replace(one, predicate="{distance} > 400") if one.name == "impossible_distance" else one for one in RULES]
    monkeypatch.setattr("taxi_assets.catalog.rules.RULES", rules)
    stale = {store: ["rules changed"] for store in EVERYWHERE}
    assert why() == {f"{FIRST}..{FIRST}": stale, f"{SECOND}..{THIRD}": {}, f"{LAST}..{LAST}": stale}


def test_months_that_other_rules_cleaned_are_stale_where_rules_are_given(gap: World) -> None:
    differ = {store: ["rules differ"] for store in EVERYWHERE}
    asked = planned("--rules", "no_passengers,no_distance")
    assert {months: one["why"] for months, one in asked.items()} == {
        f"{FIRST}..{FIRST}": differ,
        f"{SECOND}..{THIRD}": {},
        f"{LAST}..{LAST}": differ,
    }
    assert {tuple(one["rules"]) for one in asked.values()} == {("no_passengers", "no_distance")}
    default = ",".join(rule.name for rule in RULES if rule.default)
    assert list(planned("--rules", default)) == [f"{SECOND}..{THIRD}"]


def test_a_month_keeps_the_rules_that_it_was_cleaned_by(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.publish(LAST)
    assert world.load(LAST, ops={"green__clean_trips": {"config": {"rules": ["no_distance"]}}}).success
    rules = [replace(one, predicate="{distance} <= 1") if one.name == "no_distance" else one for one in RULES]
    monkeypatch.setattr("taxi_assets.catalog.rules.RULES", rules)
    assert [one["rules"] for one in planned().values()] == [["unreadable_value", "no_distance"]]


def test_the_cost_is_that_of_the_files_at_the_source(gap: World) -> None:
    for month, rows in ((SECOND, 300), (THIRD, 400)):
        gap.publish(month, rows=rows)
    try:
        told, bytes_ = document("plan", "green"), size(gap, SECOND) + size(gap, THIRD)
    finally:
        for month in (SECOND, THIRD):
            del gap.cdn.files[f"trip-data/green_tripdata_{month}.parquet"]
    [one] = told["load"]
    assert one["download_bytes"] == bytes_
    assert not one["download_is_estimated"]
    assert one["rows"] == 2 * ROWS  # of the nearest month, since the records of a month that was never loaded have none
    assert one["seconds"] > 0
    assert one["bigquery_bytes"] is None
    assert told["total"] == {name: one[name] for name in told["total"]}


def test_an_unknown_rule_is_refused_with_the_rules_that_there_are(gap: World) -> None:
    refused = taxi("plan", "green", "--rules", "no_luggage")
    assert refused.exit_code == 1
    assert "The rules are unreadable_value" in refused.stderr


def test_a_store_that_does_not_answer_is_named_and_the_exit_status_says_so(world: World) -> None:
    world.publish(LAST)
    assert world.load(LAST).success
    world.settings.warehouse.path.unlink()
    world.settings.warehouse.path.mkdir()
    shown = taxi("plan", "green")
    assert "warehouse does not answer" in shown.stdout
    assert shown.exit_code == 1


def test_a_backfill_needs_a_daemon(gap: World) -> None:
    refused = taxi("backfill", "green")
    assert refused.exit_code == 1
    assert "no daemon runs on" in refused.stderr
    assert "make dev" in refused.stderr
    assert list(gap.instance.get_backfills()) == []


def test_a_backfill_of_nothing_says_so(gap: World) -> None:
    done = taxi("backfill", "green", FIRST)
    assert (done.stdout.strip(), done.exit_code) == ("nothing to load", 0)
