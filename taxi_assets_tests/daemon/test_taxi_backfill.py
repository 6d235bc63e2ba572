"""`taxi plan` and `taxi backfill` against the real daemon, that of `dagster dev` and that of deploy/."""

import json
import re
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

import duckdb
import pytest

from taxi_assets.catalog import dataset_named
from taxi_assets.month import Month
from taxi_assets.sample import expected_defects, write_tree
from taxi_assets_tests.homes import TAXI

from .backfills import BACKFILLED_MONTHS, YELLOW, Backfill, stored_rows
from .machines import Machine

pytestmark = [pytest.mark.daemon, pytest.mark.timeout(900)]

GREEN = dataset_named("green")
MONTHS = tuple(Month(2023, 1).until(Month(2023, 6)))  # those of 2024 are other tests'
RULES = ("no_passengers", "no_distance")
ROWS = 2_000
PATIENCE = 600
on_the_killed_laptop = pytest.mark.xdist_group("killed laptop")


@pytest.fixture(scope="module")
def half_a_year(published: Path) -> Path:
    """The source, with half a year of synthetic months."""
    write_tree(published, rows=ROWS, months=[(GREEN, month) for month in MONTHS])
    return published


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


def file_of(month: Month, published: Path) -> Path:
    return published / "trip-data" / GREEN.file_name(month)


def filtered_rows(published: Path, months: Sequence[Month]) -> dict[Month, int]:
    """Rows of the months' files with passengers and a distance, and without values that cannot be read."""
    found = {}
    for month in months:
        file = file_of(month, published)
        query = "SELECT count(*) FROM read_parquet(?) WHERE passenger_count > 0 AND trip_distance > 0"
        [(rows,)] = duckdb.execute(query, [str(file)]).fetchall()
        found[month] = rows - expected_defects(GREEN, month, rows=ROWS)["unreadable_value"]
    return found


@on_the_killed_laptop
def test_a_plan_of_six_months_with_other_rules_is_loaded_and_watched(machine: Machine, half_a_year: Path) -> None:
    asked = ("green", f"{MONTHS[0]}..{MONTHS[-1]}", "--rules", ",".join(RULES))
    document = json.loads(taxi(machine, "plan", *asked, "--json")[0])
    [group] = document["load"]
    assert (group["first_month"], group["last_month"], group["files"]) == (str(MONTHS[0]), str(MONTHS[-1]), 6)
    assert group["download_bytes"] == sum(file_of(month, half_a_year).stat().st_size for month in MONTHS)

    printed, status = taxi(machine, "backfill", *asked, "--watch")
    assert status == 0, printed
    assert f"{machine.url}/runs/b/" in printed
    assert sorted(line.split(": ")[1] for line in printed.splitlines() if " of 6: " in line) == [
        f"green {month} loaded" for month in MONTHS
    ]
    rows = filtered_rows(half_a_year, MONTHS)
    assert {store: stored_rows(machine, GREEN, MONTHS)[store] for store in ("clean", "postgres", "warehouse")} == {
        "clean": rows,
        "postgres": rows,
        "warehouse": rows,
    }
    assert taxi(machine, "plan", *asked)[0].splitlines()[-1] == "nothing to load"
    default = json.loads(taxi(machine, "plan", *asked[:2], "--json")[0])
    assert default["load"] == []  # each month is compared by the rules that it was cleaned by


@on_the_killed_laptop
@pytest.mark.usefixtures("half_a_year")
def test_ctrl_c_ends_the_watching_and_not_the_backfill(machine: Machine) -> None:
    watching = start_taxi(machine, "backfill", "green", str(MONTHS[0]), "--rules", "duplicate", "--watch")
    assert watching.stdout is not None
    while "/runs/b/" not in (line := watching.stdout.readline()):
        assert line, "it ended without a backfill"
    backfill = Backfill(machine, re.findall(r"/runs/b/(\w+)", line)[0])
    watching.send_signal(signal.SIGINT)
    printed, _ = watching.communicate()
    assert "the daemon goes on with the backfill" in printed
    assert watching.returncode == 130
    assert "under way" in taxi(machine, "plan", "green", str(MONTHS[0]), "--rules", "duplicate")[0]
    backfill.wait(PATIENCE)
    assert (
        taxi(machine, "plan", "green", str(MONTHS[0]), "--rules", "duplicate")[0].splitlines()[-1] == "nothing to load"
    )


@on_the_killed_laptop
def test_a_month_that_fails_is_named_and_the_exit_status_says_so(machine: Machine, half_a_year: Path) -> None:
    broken = file_of(MONTHS[-1].plus(1), half_a_year)
    broken.write_text("<Error><Code>AccessDenied</Code></Error>")
    printed, status = taxi(machine, "backfill", "green", str(MONTHS[-1].plus(1)), "--watch")
    assert status == 1
    assert f"1 of 1: green {MONTHS[-1].plus(1)} failed: green/raw_trips" in printed
    assert f"green {MONTHS[-1].plus(1)} is not loaded" in printed


@pytest.mark.xdist_group("deploy")
def test_the_services_of_deploy_load_a_plan(services: Machine) -> None:
    printed, status = taxi(services, "backfill", YELLOW.name, str(BACKFILLED_MONTHS[0]), "--watch")
    assert (status, "1 of 1: yellow 2024-01 loaded" in printed) == (0, True), printed
