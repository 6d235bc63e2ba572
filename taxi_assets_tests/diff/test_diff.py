"""What `taxi diff` says of a month is what loading it then does, with the lake on a disk and in a bucket."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from taxi_assets.catalog import DEFAULT_RULES, Layer, dataset_named
from taxi_assets.cleaning import Move
from taxi_assets.cli import diff
from taxi_assets.month import Month
from taxi_assets.stores.factory import opened_stores
from taxi_assets_tests.homes import LAKE_LAYERS, REAL_FILES, Home
from taxi_assets_tests.servers.gcs import new_bucket
from taxi_assets_tests.stores.servers import new_database

GREEN = dataset_named("green")
MONTH = "2024-01"
ONE_RULE_MORE = (*DEFAULT_RULES, "no_passengers")
CLEAN_CHANGES = (
    *("rows_before", "rows_after", "added", "removed", "changed"),
    *("amount_before", "amount_after", "distance_before", "distance_after", "examples"),
)


def load(home: Home, month: str = MONTH, rules: tuple[str, ...] = DEFAULT_RULES) -> None:
    """Load the month into the lake, as `taxi run` does."""
    config = {"ops": {"green__clean_trips": {"config": {"rules": list(rules)}}}}
    keys = [GREEN.path(layer) for layer in LAKE_LAYERS]
    assert home.execute("green_trips_job", month, *keys, run_config=config).success


def said(home: Home, *rules: str, month: str = MONTH) -> dict[str, Any]:
    """The document of `taxi diff`, of which the exit status says the same."""
    options = ["--rules", ",".join(rules)] if rules else []
    ran = home.taxi("diff", "green", month, "--json", *options)
    document: dict[str, Any] = json.loads(ran.stdout)
    assert ran.returncode == document["would_change"], ran.stderr
    return document


def version_diff(home: Home, month: str = MONTH) -> dict[str, Any]:
    """What the lake says of the month's last load."""
    with opened_stores(home.settings, ["lake"]) as stores:
        file = stores["lake"]().get_file(GREEN.path(Layer.DIFF), f"green_trips_{month}.json")
        found: dict[str, Any] = json.loads(file.path.read_text())
    return found


def quarantine(home: Home, month: str = MONTH) -> dict[int, list[str]]:
    """Position in the file -> rules that the row broke."""
    with opened_stores(home.settings, ["lake"]) as stores:
        rows = stores["lake"]().read(GREEN.path(Layer.QUARANTINE), [Month.parse(month)]).to_table()
    return dict(zip(rows["source_row"].to_pylist(), rows["rules"].to_pylist(), strict=True))


def moved(before: dict[int, list[str]], after: dict[int, list[str]]) -> Counter[tuple[str | None, str | None]]:
    """(First rule before, first rule now) -> rows, for rows whose rules differ; None for clean rows."""
    rows = [row for row in {*before, *after} if before.get(row) != after.get(row)]
    return Counter((before.get(row, [None])[0], after.get(row, [None])[0]) for row in rows)


def assert_loading_does_what_was_said(home: Home, document: dict[str, Any], *rules: str, month: str = MONTH) -> None:
    before = quarantine(home, month)
    load(home, month, rules)
    loaded = version_diff(home, month)
    assert {name: document[name] for name in CLEAN_CHANGES} == {name: loaded[name] for name in CLEAN_CHANGES}
    moves = {(one["before"], one["after"]): one["rows"] for one in document["moves"]}
    assert moves == moved(before, quarantine(home, month))


@pytest.fixture
def home(tmp_path: Path, postgres_url: str) -> Home:
    return Home(tmp_path, TAXI_SOURCE="sample", TAXI_POSTGRES=new_database(postgres_url))


@pytest.fixture(params=["a folder", "a bucket"])
def any_home(request: pytest.FixtureRequest, home: Home, tmp_path: Path) -> Home:
    if request.param == "a folder":
        return home
    request.getfixturevalue("gcs")
    return Home(tmp_path, **{**home.variables, "TAXI_LAKE": f"gs://{new_bucket().name}/lake"})


def test_a_month_that_is_loaded_by_the_same_rules_would_not_change(home: Home) -> None:
    load(home)
    ran = home.taxi("diff", "green", MONTH)
    assert (ran.returncode, ran.stdout) == (0, f"green {MONTH}: loading it again would change no row\n")


@pytest.mark.slow
def test_a_rule_more_takes_as_many_rows_as_loading_by_it_does(any_home: Home) -> None:
    load(any_home)
    document = said(any_home, *ONE_RULE_MORE)
    assert document["removed"] > 0
    assert (document["added"], document["changed"]) == (0, 0)
    assert {"before": None, "after": "no_passengers"}.items() <= document["moves"][0].items()
    assert_loading_does_what_was_said(any_home, document, *ONE_RULE_MORE)
    assert said(any_home, *ONE_RULE_MORE)["moves"] == []


@pytest.mark.slow
def test_rules_fewer_bring_back_the_rows_that_they_had_rejected(home: Home) -> None:
    load(home)
    document = said(home, "missing_time", "duplicate")
    assert document["added"] == sum(one["rows"] for one in document["moves"] if one["after"] is None) > 0
    assert document["amount_after"] != document["amount_before"]
    assert document["distance_after"] > document["distance_before"]
    assert_loading_does_what_was_said(home, document, "missing_time", "duplicate")


@pytest.mark.parametrize("kind", ["added", "removed", "changed", "move"])
def test_any_difference_is_one(kind: str) -> None:
    none = {"added": 0, "removed": 0, "changed": 0}
    moves = [Move("stray_month", "stray_month", 1, [7])] if kind == "move" else []
    one = diff.MonthDiff(GREEN, Month.parse(MONTH), (), (), {**none, kind: 1}, moves)
    assert not one.is_empty
    assert diff.MonthDiff(GREEN, Month.parse(MONTH), (), (), none, []).is_empty


def test_it_says_in_words_what_would_go_and_what_would_load_it(home: Home) -> None:
    load(home)
    document = said(home, *ONE_RULE_MORE)
    ran = home.taxi("diff", "green", MONTH, "--rules", ",".join(ONE_RULE_MORE))
    assert ran.returncode == 1
    removed = document["removed"]
    assert (
        f"green {MONTH}, if it were loaded again: of its clean rows {removed:,} removed, 0 added, 0 changed"
        in ran.stdout
    )
    assert f"{document['amount_before']:,.2f}" in ran.stdout
    assert f"{document['distance_after'] - document['distance_before']:+,.2f}" in ran.stdout
    assert f"- row {document['examples'][0]['row']['source_row']}: " in ran.stdout
    assert f"to load it: taxi run green {MONTH} --rules {','.join(document['rules_after'])}" in ran.stdout


def test_the_command_that_it_names_has_no_rules_where_they_are_the_default_ones(home: Home) -> None:
    load(home, rules=ONE_RULE_MORE)
    assert home.taxi("diff", "green", MONTH).stdout.endswith(f"to load it: taxi run green {MONTH}\n")


def test_it_stores_nothing(home: Home) -> None:
    load(home)

    def files() -> dict[Path, int]:
        return {path: path.lstat().st_mtime_ns for path in Path(home.settings.lake).rglob("*")}

    before = files()
    said(home, *ONE_RULE_MORE)
    assert files() == before
    assert list(home.settings.scratch.iterdir()) == []


def test_a_month_that_is_not_in_the_lake_is_an_error_that_names_the_command(any_home: Home) -> None:
    ran = any_home.taxi("diff", "green", "2023-01")
    assert ran.returncode == 2
    assert "green 2023-01 is not loaded: taxi run green 2023-01" in ran.stderr


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("green", MONTH, "--rules", "no_such"), "no such rule: no_such. The rules are unreadable_value, "),
        (("green", "2013-12"), "green begins with 2014-01"),
        (("green", "2024-13"), "is not a month"),
        (("blue", MONTH), "blue"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_wrong_request_has_the_status_of_an_error(home: Home, arguments: tuple[str, ...], why: str) -> None:
    load(home)
    ran = home.taxi("diff", *arguments)
    assert ran.returncode == 2
    assert why in ran.stderr


def test_a_damaged_file_is_an_error_and_no_difference(home: Home) -> None:
    load(home)
    raw = Path(home.settings.lake, GREEN.path(Layer.RAW), f"green_tripdata_{MONTH}.parquet").resolve()
    raw.write_bytes(raw.read_bytes()[:-20])
    ran = home.taxi("diff", "green", MONTH)
    assert ran.returncode == 2
    assert f": taxi run green {MONTH}" in ran.stderr


def test_a_bug_is_an_error_and_no_difference(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diff, "month_diff", lambda *_, **__: 1 / 0)
    ran = home.taxi("diff", "green", MONTH)
    assert ran.returncode == 2
    assert "ZeroDivisionError" in ran.stderr


def test_progress_reaches_the_number_of_rows(home: Home, tmp_path: Path) -> None:
    load(home)
    seen: dict[str, tuple[int, int | None]] = {}
    with opened_stores(home.settings, ["lake"]) as stores:
        found = diff.month_diff(
            stores["lake"](),
            GREEN,
            Month.parse(MONTH),
            ONE_RULE_MORE,
            scratch=tmp_path / "scratch",
            progress=lambda what, read, rows: seen.update({what: (read, rows)}),
        )
    rows, rejected = found.changes["rows_after"], len(quarantine(home)) + found.changes["removed"]
    assert seen["comparing the loaded rows"] == (found.changes["rows_before"], None)
    assert seen["comparing the new rows"][1] == rows
    assert seen["comparing the quarantine"] == (rejected, rejected)


@pytest.mark.slow
@pytest.mark.skipif(not REAL_FILES.exists(), reason="TLC's own files are not beside the project")
def test_a_real_month_loses_to_a_rule_more_what_loading_by_it_then_takes(tmp_path: Path, postgres_url: str) -> None:
    home = Home(tmp_path, TAXI_SOURCE=str(REAL_FILES), TAXI_POSTGRES=new_database(postgres_url))
    load(home, "2022-01")
    document = said(home, *ONE_RULE_MORE, month="2022-01")
    assert document["rows_before"] == 62_018
    assert document["removed"] == document["rows_before"] - document["rows_after"] > 1_000
    assert_loading_does_what_was_said(home, document, *ONE_RULE_MORE, month="2022-01")
