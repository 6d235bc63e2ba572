"""Months backfilled through the real daemon: what is killed on the way is made again, with nobody's help."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from taxi_assets.catalog import Dataset
from taxi_assets.month import Month
from taxi_assets.sample import DEFAULT_ROWS, write_month
from taxi_assets_tests.homes import TAXI

from .backfills import BACKFILLED_MONTHS as MONTHS
from .backfills import FHV, GREEN, YELLOW, Backfill, Seen, expected_store, kill_runs, runs_of, stored_rows
from .machines import Machine
from .watched import until

pytestmark = [pytest.mark.daemon, pytest.mark.timeout(900)]

PATIENCE = 600
on_the_killed_laptop = pytest.mark.xdist_group("killed laptop")


def assert_done(seen: Seen, machine: Machine, dataset: Dataset, months: Sequence[Month]) -> None:
    assert (seen.status, seen.counts["SUCCESS"]) == ("COMPLETED_SUCCESS", len(months))
    assert stored_rows(machine, dataset, months) == expected_store(dataset, months)


@on_the_killed_laptop
def test_a_backfill_survives_killed_runs_and_a_killed_daemon(machine: Machine) -> None:
    backfill = Backfill.launched(machine, GREEN, MONTHS)
    kill_runs(backfill, 2, PATIENCE)
    machine.kill_daemon()
    machine.start()
    assert_done(backfill.wait(PATIENCE), machine, GREEN, MONTHS)


@on_the_killed_laptop
def test_a_backfill_survives_a_power_cut(machine: Machine) -> None:
    backfill = Backfill.launched(machine, FHV, MONTHS)
    backfill.wait(PATIENCE, until=lambda seen: seen.counts["STARTED"] > 0)
    machine.switch_off()
    machine.start()
    assert_done(backfill.wait(PATIENCE), machine, FHV, MONTHS)


@on_the_killed_laptop
def test_a_month_that_failed_is_made_again_alone(machine: Machine, published: Path) -> None:
    broken = published / "trip-data" / YELLOW.file_name(MONTHS[1])
    broken.write_text("<Error><Code>AccessDenied</Code></Error>")
    backfill = Backfill.launched(machine, YELLOW, MONTHS)
    seen = backfill.wait(PATIENCE)
    assert seen.status == "COMPLETED_FAILED"
    assert sorted(seen.runs) == [
        ("FAILURE", str(MONTHS[1])),
        *(("SUCCESS", str(month)) for month in MONTHS if month != MONTHS[1]),
    ]
    write_month(YELLOW, MONTHS[1], broken, rows=DEFAULT_ROWS)
    again = backfill.launched_again_from_failure().wait(PATIENCE)
    assert again.runs == [("SUCCESS", str(MONTHS[1]))]
    assert stored_rows(machine, YELLOW, MONTHS) == expected_store(YELLOW, MONTHS)


@on_the_killed_laptop
def test_a_killed_command_does_not_keep_its_place_in_the_queue(machine: Machine) -> None:
    command = subprocess.Popen(
        [TAXI, "run", "fhvhv", "2020-01..2024-12", "--source", "sample"],
        cwd=machine.folder,
        env=machine.environment,
        stdout=subprocess.DEVNULL,
    )
    until(lambda: "STARTED" in runs_of(machine, "fhvhv_trips_job"))
    command.kill()
    command.wait()
    until(lambda: not {"NOT_STARTED", "STARTED"} & set(runs_of(machine, "fhvhv_trips_job")))
    assert runs_of(machine, "fhvhv_trips_job")[0] == "FAILURE"


@pytest.mark.xdist_group("deploy")
def test_the_services_of_deploy_make_a_backfill_and_survive_a_killed_daemon(services: Machine) -> None:
    months = MONTHS[:2]
    backfill = Backfill.launched(services, GREEN, months)
    kill_runs(backfill, 1, PATIENCE)
    services.kill_daemon()
    services.start()
    assert_done(backfill.wait(PATIENCE), services, GREEN, months)
