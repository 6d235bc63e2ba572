"""What the UI shows of a month whose rules have changed since it was loaded."""

import subprocess
import sys

import pytest

from taxi_assets.catalog import Layer, dataset_named
from taxi_assets_tests.daemon.machines import Machine

pytest.importorskip("playwright.sync_api", reason="Playwright is not installed: pip install '.[dev]'")

from playwright.sync_api import expect

from .ui import CHROMIUM, window

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(900),
    pytest.mark.xdist_group("ui"),
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"no {CHROMIUM}: apt-get install chromium"),
]

FHVHV = dataset_named("fhvhv")
MONTH = "2024-01"


def load_by_an_older_rule(machine: Machine) -> None:
    """Before the commit that the machine has now."""
    command = [sys.executable, "-m", f"{__package__}.older_rule", "run", FHVHV.name, MONTH]
    subprocess.run(command, cwd=machine.folder, env=machine.environment, check=True, capture_output=True)


def test_a_month_is_unsynced_and_the_ui_says_why(machine: Machine) -> None:
    load_by_an_older_rule(machine)
    with window(machine.url) as ui:
        ui.open(f"/assets/{FHVHV.path(Layer.CLEAN)}?view=partitions&partition={MONTH}")
        ui.see("Unsynced (1)").hover()
        ui.see("1 code version change")
        ui.see("has a new code version")
        ui.picture("stale")

        ui.open(f"/assets/{FHVHV.path(Layer.RAW)}?view=partitions&partition={MONTH}")
        ui.see("Materialized")
        expect(ui.page.get_by_text("Unsynced")).to_have_count(0)
