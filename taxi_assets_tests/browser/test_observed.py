"""What TLC has published, in the UI: a month is there before it is loaded, and a replaced one is out of date."""

from pathlib import Path

import pytest

from taxi_assets.catalog import Layer, dataset_named
from taxi_assets_tests.daemon.machines import Machine
from taxi_assets_tests.daemon.observed import LOADED, PUBLISHED, REPLACED, UNPUBLISHED, bring_about
from taxi_assets_tests.daemon.watched import Watch, run_records, runs, until

pytest.importorskip("playwright.sync_api", reason="Playwright is not installed: pip install '.[dev]'")

from playwright.sync_api import expect

from .ui import CHROMIUM, window

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(900),
    pytest.mark.xdist_group("watch"),
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"no {CHROMIUM}: apt-get install chromium"),
]

FHVHV = dataset_named("fhvhv")
_CANCEL = """
mutation ($run: String!) { terminateRun(runId: $run) { __typename } }"""


def cancel_newest_run(machine: Machine) -> None:
    """As a person does who wants to look at the month first; the sensor leaves it alone then."""
    # Not before: a run that was canceled while its process starts is begun by it all the same.
    until(lambda: runs(machine, FHVHV)[-1] == (str(REPLACED), "STARTED"))
    newest, *_ = run_records(machine, FHVHV)
    machine.ask(_CANCEL, run=newest["runId"])
    until(lambda: runs(machine, FHVHV)[-1] == (str(REPLACED), "CANCELED"))


def test_published_loaded_stale_and_unpublished_months_are_apart(watch: Watch, tmp_path: Path) -> None:
    machine = watch.machine
    with window(machine.url) as ui:
        bring_about(machine, watch.cdn, tmp_path, FHVHV)
        cancel_newest_run(machine)

        published = f"/assets/{'/'.join(FHVHV.published_key)}?view=partitions&partition={REPLACED}"
        raw = f"/assets/{FHVHV.path(Layer.RAW)}?view=partitions&partition="
        for month in (PUBLISHED, UNPUBLISHED):
            ui.open(raw + str(month))
            ui.see("No metadata entries")
        ui.open(raw + str(LOADED))
        ui.see("Materialized")
        expect(ui.page.get_by_text("Unsynced")).to_have_count(0)
        ui.open(raw + str(REPLACED))
        ui.see("Unsynced (1)")
        ui.open(published)
        ui.see("Materialized (3)")
        ui.see('"second"')
        pages = "".join(
            f'<iframe src="{machine.url}{path}" style="width: 100%; height: 50%; border: 0"></iframe>'
            for path in (published, f"{raw}{REPLACED}")
        )
        ui.page.set_content(f'<body style="margin: 0; height: 100vh">{pages}</body>')
        expect(ui.page.frame_locator("iframe").last.get_by_text("Unsynced (1)")).to_be_visible()
        ui.page.wait_for_timeout(3000)
        ui.picture("observed")
