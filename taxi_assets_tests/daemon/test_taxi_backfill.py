"""`taxi plan` and `taxi backfill` against the real daemon, that of `dagster dev` and that of deploy/."""

import json
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import duckdb
import pytest

from taxi_assets.catalog import dataset_named
from taxi_assets.month import Month
from taxi_assets.sample import expected_defects, write_tree
from taxi_assets_tests.homes import TAXI

from .backfills import stored_rows
from .machines import Machine, laptop, server

pytestmark = [pytest.mark.daemon, pytest.mark.timeout(600)]

GREEN = dataset_named("green")
MONTHS = tuple(Month(2024, 1).until(Month(2024, 6)))
RULES = ("no_passengers", "no_distance")
ROWS = 2_000


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A source with half a year of synthetic months."""
    folder = tmp_path_factory.mktemp("published")
    write_tree(folder, rows=ROWS, months=[(GREEN, month) for month in MONTHS])
    return folder


@pytest.fixture(scope="module")
def machine(published: Path) -> Iterator[Machine]:
    with laptop(source=str(published)) as started:
        yield started


def start_taxi(machine: Machine, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [TAXI, *arguments],
        cwd=machine.folder,
        env={**machine.environment, "TAXI_UI_URL": machine.url, "COLUMNS": "200"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def taxi(machine: Machine, *arguments: str) -> tuple[str, int]:
    """What the command prints, and its exit status."""
    process = start_taxi(machine, *arguments)
    printed, errors = process.communicate()
    return printed + errors, process.returncode


def filtered_rows(published: Path, months: Sequence[Month]) -> dict[Month, int]:
    """Rows of the months' files with passengers and a distance, and without values that cannot be read."""
    found = {}
    for month in months:
        file = published / "trip-data" / GREEN.file_name(month)
        query = "SELECT count(*) FROM read_parquet(?) WHERE passenger_count > 0 AND trip_distance > 0"
        [(rows,)] = duckdb.execute(query, [str(file)]).fetchall()
        found[month] = rows - expected_defects(GREEN, month, rows=ROWS)["unreadable_value"]
    return found


def test_a_plan_of_six_months_with_other_rules_is_loaded_and_watched(machine: Machine, published: Path) -> None:
    asked = ("green", f"{MONTHS[0]}..{MONTHS[-1]}", "--rules", ",".join(RULES))
    document = json.loads(taxi(machine, "plan", *asked, "--json")[0])
    [group] = document["load"]
    assert (group["first_month"], group["last_month"], group["files"]) == (str(MONTHS[0]), str(MONTHS[-1]), 6)
    assert group["download_bytes"] == sum(path.stat().st_size for path in (published / "trip-data").iterdir())

    printed, status = taxi(machine, "backfill", *asked, "--watch")
    assert status == 0, printed
    assert f"{machine.url}/runs/b/" in printed
    assert sorted(line.split(": ")[1] for line in printed.splitlines() if " of 6: " in line) == [
        f"green {month} loaded" for month in MONTHS
    ]
    rows = filtered_rows(published, MONTHS)
    assert {store: stored_rows(machine, GREEN, MONTHS)[store] for store in ("clean", "postgres", "warehouse")} == {
        "clean": rows,
        "postgres": rows,
        "warehouse": rows,
    }
    assert taxi(machine, "plan", *asked)[0].splitlines()[-1] == "nothing to load"
    default = json.loads(taxi(machine, "plan", "green", "--json")[0])
    assert default["load"] == []  # each month is compared by the rules that it was cleaned by


def test_ctrl_c_ends_the_watching_and_not_the_backfill(machine: Machine) -> None:
    watching = start_taxi(machine, "backfill", "green", str(MONTHS[0]), "--rules", "duplicate", "--watch")
    assert watching.stdout is not None
    while "/runs/b/" not in watching.stdout.readline():
        assert watching.poll() is None
    watching.send_signal(signal.SIGINT)
    printed, _ = watching.communicate()
    assert "the daemon goes on with the backfill" in printed
    assert watching.returncode == 130
    assert "under way" in taxi(machine, "plan", "green", str(MONTHS[0]), "--rules", "duplicate")[0]
    give_up = time.monotonic() + 300
    while "under way" in taxi(machine, "plan", "green", str(MONTHS[0]), "--rules", "duplicate")[0]:
        assert time.monotonic() < give_up
        time.sleep(2)
    assert (
        taxi(machine, "plan", "green", str(MONTHS[0]), "--rules", "duplicate")[0].splitlines()[-1] == "nothing to load"
    )


def test_a_month_that_fails_is_named_and_the_exit_status_says_so(machine: Machine, published: Path) -> None:
    broken = published / "trip-data" / GREEN.file_name(MONTHS[-1].plus(1))
    broken.write_text("<Error><Code>AccessDenied</Code></Error>")
    printed, status = taxi(machine, "backfill", "green", str(MONTHS[-1].plus(1)), "--watch")
    assert status == 1
    assert f"1 of 1: green {MONTHS[-1].plus(1)} failed: green/raw_trips" in printed
    assert f"green {MONTHS[-1].plus(1)} is not loaded" in printed


def test_the_services_of_deploy_load_a_plan(published: Path) -> None:
    with server(source=str(published)) as machine:
        printed, status = taxi(machine, "backfill", "green", str(MONTHS[0]), "--watch")
        assert (status, "1 of 1: green 2024-01 loaded" in printed) == (0, True), printed
