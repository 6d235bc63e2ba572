"""What `taxi explain` tells about rows of a sample month that was loaded."""

import json
from collections.abc import Iterator
from pathlib import Path

import duckdb
import psycopg
import pyarrow.parquet as pq
import pytest

from taxi_assets.catalog import RULES, Layer
from taxi_assets.month import Month
from taxi_assets.sample import expected_defects
from taxi_assets.stores.factory import dsn_of
from taxi_assets_tests.automation.world import GREEN, ROWS, World
from taxi_assets_tests.stores.servers import new_database

from .conftest import a_world
from .looking import CLEANED, LAST, document, make, taxi

DEFAULT_DIRT = [
    name
    for name in expected_defects(GREEN, Month.parse(LAST), rows=ROWS)
    if next(rule for rule in RULES if rule.name == name).default
]


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory, postgres_url: str) -> Iterator[World]:
    """A world in which a month of the sample is loaded, to look at only."""
    with a_world(tmp_path_factory.mktemp("explain"), new_database(postgres_url)) as world:
        world.publish(LAST)
        assert world.load(LAST).success
        yield world


def lake_file(world: World, layer: Layer) -> Path:
    [path] = Path(world.settings.lake, GREEN.path(layer)).glob(f"month={LAST}/*.parquet")
    return path


def source_rows(world: World) -> list[dict]:
    return pq.read_table(Path(world.settings.lake, GREEN.path(Layer.RAW), f"green_tripdata_{LAST}.parquet")).to_pylist()


def rejected_rows(world: World) -> dict[int, list[str]]:
    """The rows in quarantine, and the rules that each broke."""
    rows = pq.read_table(lake_file(world, Layer.QUARANTINE), partitioning=None).to_pylist()
    return {row["source_row"]: row["rules"] for row in rows}


def a_clean_row(world: World) -> dict:
    return pq.read_table(lake_file(world, Layer.CLEAN), partitioning=None).to_pylist()[7]


def explained(row: int) -> dict:
    return document("explain", "green", LAST, str(row))


def test_a_clean_row_is_told_as_tlc_wrote_it_as_it_is_read_and_in_both_tables(month: World) -> None:
    clean = a_clean_row(month)
    told = explained(clean["source_row"])
    as_text = json.loads(json.dumps(clean, default=str))
    assert told["source"] == json.loads(json.dumps(source_rows(month)[clean["source_row"]], default=str))
    assert told["read"] == {name: as_text[name] for name in told["read"]}
    assert (told["layer"], told["rules"], told["rows_in_file"]) == ("clean", [], ROWS)
    assert told["clean_is_of_this_file"]
    assert told["tables"] == {
        name: {"row": {**told["tables"][name]["row"], **as_text}, "differs_in": []}
        for name in ("postgres", "warehouse")
    }


@pytest.mark.parametrize("rule", DEFAULT_DIRT)
def test_a_row_that_broke_a_rule_is_told_with_every_rule_it_broke(month: World, rule: str) -> None:
    rejected = rejected_rows(month)
    row = next(row for row, rules in rejected.items() if rule in rules)
    told = explained(row)
    assert [one["rule"] for one in told["rules"]] == rejected[row]
    assert (told["layer"], told["tables"]) == ("quarantine", {})
    shown = taxi("explain", "green", LAST, str(row))
    assert f"{rule}: {next(one for one in RULES if one.name == rule).description}" in shown.stdout
    assert shown.exit_code == 0


def test_what_cannot_be_read_is_named(month: World) -> None:
    row = next(row for row, rules in rejected_rows(month).items() if rules == ["unreadable_value"])
    [name] = explained(row)["unreadable"]
    shown = taxi("explain", "green", LAST, str(row)).stdout
    assert [line.split()[0] for line in shown.splitlines() if line.rstrip().endswith("unreadable")] == [name]


def test_a_voided_trip_names_its_refund(month: World) -> None:
    voided = [row for row, rules in rejected_rows(month).items() if "voided_trip" in rules]
    written = source_rows(month)
    for row in voided:
        [rule] = [one for one in explained(row)["rules"] if one["rule"] == "voided_trip"]
        [refund] = rule["rows"]
        assert written[refund]["total_amount"] == -written[row]["total_amount"] < 0
        assert written[refund]["lpep_pickup_datetime"] == written[row]["lpep_pickup_datetime"]


def test_a_duplicate_names_the_row_it_repeats(month: World) -> None:
    copies = [row for row, rules in rejected_rows(month).items() if "duplicate" in rules]
    written = source_rows(month)
    for row in copies:
        [rule] = [one for one in explained(row)["rules"] if one["rule"] == "duplicate"]
        assert rule["rows"]
        assert all(other < row and written[other] == written[row] for other in rule["rows"])


def test_a_row_that_is_not_in_the_file_is_told_with_the_number_of_rows(month: World) -> None:
    refused = taxi("explain", "green", LAST, str(ROWS))
    assert refused.exit_code == 1
    assert f"has {ROWS} rows, counted from 0 to {ROWS - 1}: there is no row {ROWS}" in refused.stderr


def test_a_month_that_is_not_loaded_is_told_with_what_to_run(month: World) -> None:
    refused = taxi("explain", "green", "2014-01", "0")
    assert refused.exit_code == 1
    assert "green 2014-01 is not loaded: taxi run green 2014-01" in refused.stderr


def test_a_month_before_the_first_is_told(month: World) -> None:
    refused = taxi("explain", "green", "2013-12", "0")
    assert refused.exit_code == 1
    assert "green begins with 2014-01" in refused.stderr


def test_what_was_changed_or_deleted_by_hand_shows(loaded: World) -> None:
    clean = a_clean_row(loaded)
    row = clean["source_row"]
    with duckdb.connect(loaded.settings.warehouse.path) as connection:
        connection.execute("UPDATE taxi.green_trips SET total_amount = 99 WHERE source_row = ?", [row])
    with psycopg.connect(dsn_of(loaded.settings.postgres), autocommit=True) as connection:
        connection.execute("DELETE FROM taxi.green_trips WHERE source_row = %s", [row])
    assert explained(row)["tables"]["warehouse"]["differs_in"] == ["total_amount"]
    shown = taxi("explain", "green", LAST, str(row)).stdout
    assert f"with other values: total_amount is 99.0 and not {clean['total_amount']}" in shown
    assert "postgres   not there" in shown


def test_a_newer_file_is_explained_from_once_its_rows_are_cleaned(loaded: World) -> None:
    row = str(a_clean_row(loaded)["source_row"])
    loaded.publish(LAST, etag='"second"', rows=ROWS + 100)
    make(loaded, LAST, Layer.RAW)
    assert document("explain", "green", LAST, row)["clean_is_of_this_file"]
    assert f"has {ROWS:,} rows" in taxi("explain", "green", LAST, str(ROWS + 50)).stderr
    make(loaded, LAST, *CLEANED)
    assert document("explain", "green", LAST, str(ROWS + 50))["clean_is_of_this_file"]


def test_a_file_that_is_gone_is_told_with_what_fetches_it(loaded: World) -> None:
    Path(loaded.settings.lake, GREEN.path(Layer.RAW), f"green_tripdata_{LAST}.parquet").unlink()
    refused = taxi("explain", "green", LAST, "0")
    assert refused.exit_code == 1
    assert f"not TLC's file that they were made from: taxi run green {LAST} fetches it again" in refused.stderr


def test_a_store_that_does_not_answer_is_told_beside_the_others(loaded: World) -> None:
    row = str(a_clean_row(loaded)["source_row"])
    loaded.settings.warehouse.path.unlink()
    loaded.settings.warehouse.path.mkdir()
    shown = taxi("explain", "green", LAST, row)
    assert shown.exit_code == 1
    assert "postgres   in green_trips, with the same values" in shown.stdout
    assert "warehouse  does not answer" in shown.stdout
