"""A person's first quarter of an hour with the Dagster UI, in a real browser over the real `dagster dev`."""

import re

import pytest

from taxi_assets.catalog import Layer, dataset_named
from taxi_assets.month import Month
from taxi_assets_tests.daemon.backfills import Backfill, expected_store, runs_are_over, stored_rows
from taxi_assets_tests.daemon.machines import Machine
from taxi_assets_tests.daemon.watched import until

pytest.importorskip("playwright.sync_api", reason="Playwright is not installed: pip install '.[dev]'")

from playwright.sync_api import expect

from .ui import CHROMIUM, Ui, window

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(900),
    pytest.mark.xdist_group("ui"),
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"no {CHROMIUM}: apt-get install chromium"),
]

GREEN = dataset_named("green")
JANUARY, FEBRUARY, MARCH = (Month(2024, month) for month in (1, 2, 3))
ASSETS = 9  # raw, clean, quarantine, the diff, the tables of trips and of days in two stores, and the page
NODES = ASSETS + 1  # and the files that TLC has published
GROUPS = ("yellow", "green", "fhv", "fhvhv", "zones")
SENSOR = "green_trips_published"
NO_RUNS = "0 runs requested"
CLEAN_ROWS = str(expected_store(GREEN, [MARCH])["warehouse"][MARCH])
PLOTS = (
    "dagster/partition_row_count",
    "taxi/rejected_rows",
    "taxi/rows_per_second",
    "taxi/seconds",
    "taxi/source_bytes",
    "taxi/source_rows",
)
GRAPH_HEIGHT = 1600  # of a window in which all nodes of a dataset show: those outside of it are not drawn
PATIENCE = 300  # several times what a backfill takes on a busy machine


def test_months_are_loaded_looked_at_and_watched_from_the_ui(machine: Machine) -> None:
    with window(machine.url) as ui:
        ui.open("/")
        ui.follow("Lineage")
        for group in GROUPS:
            ui.see(group)

        ui.open("/locations/taxi_assets/asset-groups/zones/lineage")
        ui.materialize_all()  # at once, since zones have no partitions
        ui.view_launched()
        see_success(ui, machine)

        ui.be_high(GRAPH_HEIGHT)
        ui.open(f"/locations/taxi_assets/asset-groups/{GREEN.name}/lineage")
        ui.see_times("0% filled", NODES)
        ui.be_high()
        dialog = ui.materialize_all()
        dialog.choose(str(JANUARY))
        dialog.launch("Launch 1 run")
        see_success(ui, machine)
        ui.see("Succeeded (10)")  # six steps make the nine assets, four check them
        ui.picture("run")
        assert stored_rows(machine, GREEN, [JANUARY]) == expected_store(GREEN, [JANUARY])

        ui.open(f"/locations/taxi_assets/asset-groups/{GREEN.name}/lineage")
        dialog = ui.materialize_all()
        dialog.choose(f"[{FEBRUARY}...{MARCH}]")
        dialog.launch("Launch backfill")
        ui.see(f"{FEBRUARY}...{MARCH}")
        backfill = ui.page.url
        launched = Backfill(machine, re.findall(r"/runs/b/(\w+)", backfill)[0])

        ui.follow("Automation")  # the sensor ticks while the backfill goes on
        ui.switch_on(SENSOR)
        ui.follow(SENSOR)
        ui.see_times(NO_RUNS, 3, PATIENCE)  # the latest tick, and its status and its result in the table of ticks
        ui.page.get_by_text(NO_RUNS, exact=True).last.click()
        tick = ui.page.get_by_role("dialog")
        expect(tick).to_contain_text(f"Skip reason: {GREEN.name} is watched from ")
        tick.get_by_role("button", name="Close").click()
        ui.see(NO_RUNS).hover()  # which shows the reason too
        ui.picture("sensor")

        with ui.away():
            launched.wait(PATIENCE)
        ui.page.goto(backfill)
        ui.see_times("100% completed", ASSETS, PATIENCE)
        ui.see_times("Succeeded", 2, PATIENCE)  # the backfill's status, and the head of a column
        ui.picture("backfill")
        months = [JANUARY, FEBRUARY, MARCH]
        assert stored_rows(machine, GREEN, months) == expected_store(GREEN, months)

        see_what_a_table_holds(ui)
        see_every_layer(ui)


def see_success(ui: Ui, machine: Machine) -> None:
    """On the page of a run, after its end."""
    with ui.away():
        until(lambda: runs_are_over(machine), PATIENCE)
    ui.see("Success")


def see_what_a_table_holds(ui: Ui) -> None:
    """Column by column, and what was loaded plotted by month."""
    ui.open(f"/assets/{GREEN.path(Layer.WAREHOUSE)}")
    for column in GREEN.columns:
        ui.see_row(column.name, column.comment)
    ui.see_row("dagster/partition_row_count", CLEAN_ROWS)
    ui.picture("asset-page")
    ui.see("Plots").click()
    ui.see_plots(*PLOTS)
    ui.picture("plots", ui.see("Metadata"))


def see_every_layer(ui: Ui) -> None:
    """No two nodes of a dataset's graph have one label, and no two hits of a search."""
    ui.be_high(GRAPH_HEIGHT)
    ui.open(f"/locations/taxi_assets/asset-groups/{GREEN.name}/lineage")
    ui.see_times("1% filled", ASSETS)  # three of 154: the UI rounds down; more months are published
    for layer in Layer:
        ui.see(layer.value)
    ui.picture("asset-graph")

    ui.be_high()
    ui.search(GREEN.name)
    for layer in Layer:
        expect(ui.page.get_by_text(f"{GREEN.name} / {layer}", exact=True)).to_have_count(1)
    ui.picture("search")
