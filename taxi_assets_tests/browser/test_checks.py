"""Checks of single months in the UI: launched from the job's launchpad, and shown apart on the asset's page."""

import subprocess

import psycopg
import pytest

from taxi_assets.catalog import Layer, dataset_named
from taxi_assets.stores.postgres.embedded import embedded_url
from taxi_assets_tests.daemon.backfills import runs_are_over
from taxi_assets_tests.daemon.machines import Machine
from taxi_assets_tests.daemon.watched import until
from taxi_assets_tests.homes import TAXI

pytest.importorskip("playwright.sync_api", reason="Playwright is not installed: pip install '.[dev]'")

from playwright.sync_api import expect

from .test_ui import FEBRUARY, JANUARY, PATIENCE
from .ui import CHROMIUM, Ui, window

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(900),
    pytest.mark.xdist_group("ui"),
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"no {CHROMIUM}: apt-get install chromium"),
]


YELLOW = dataset_named("yellow")


def damage_january_in_postgres(machine: Machine) -> None:
    with psycopg.connect(embedded_url(machine.home / "postgres"), autocommit=True) as connection:
        connection.execute(
            "UPDATE taxi.yellow_trips SET pickup_location_id = dropoff_location_id, "
            "dropoff_location_id = pickup_location_id WHERE source_month = '2024-01-01'"
        )


def launch_checks(ui: Ui, machine: Machine, month: str, ends: str) -> None:
    """Again where the launchpad, still loading, put the month of the launch before back into its box."""
    is_of_month = ui.page.get_by_text(f"partition: {month}")
    for _ in range(3):
        ui.open("/locations/taxi_assets/jobs/yellow_trips_checks_job/playground")
        ui.choose("Partition", month)
        expect(is_of_month.first).to_be_visible()  # the launchpad has taken it; before that it asks for a partition
        ui.page.get_by_role("button", name="Launch Run").click()
        ui.see("RUN_START", PATIENCE)
        if is_of_month.first.is_visible():
            break
    with ui.away():
        until(lambda: runs_are_over(machine), PATIENCE)
    ui.see(ends)


def test_a_month_is_checked_from_the_ui_and_a_good_one_hides_no_bad_one(machine: Machine) -> None:
    with window(machine.url) as ui:
        command = [TAXI, "run", YELLOW.name, f"{JANUARY}..{FEBRUARY}"]
        subprocess.run(command, cwd=machine.folder, env=machine.environment, check=True, capture_output=True)
        damage_january_in_postgres(machine)
        launch_checks(ui, machine, str(JANUARY), "RUN_FAILURE")
        launch_checks(ui, machine, str(FEBRUARY), "RUN_SUCCESS")

        ui.open(f"/assets/{YELLOW.path(Layer.POSTGRES)}?view=checks")
        ui.see("Failed")
        ui.page.get_by_text("Partitions", exact=True).last.click()
        ui.page.get_by_placeholder("Filter by partition").fill("2024-0")
        ui.see(str(FEBRUARY)).click()
        ui.see_times("Passed", 1)
        ui.see(str(JANUARY)).click()
        ui.see(
            f"yellow {JANUARY} in postgres: pickup_location_id and dropoff_location_id are exchanged. "
            f"To load the month again: taxi run yellow {JANUARY}"
        )
        ui.picture("checks")
