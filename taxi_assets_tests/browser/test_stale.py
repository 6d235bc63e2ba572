"""What the UI shows of a month whose rules have changed since it was loaded."""

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from taxi_assets.catalog import Layer, dataset_named
from taxi_assets_tests.daemon.machines import PROJECT, Laptop
from taxi_assets_tests.homes import TAXI

pytest.importorskip("playwright.sync_api", reason="Playwright is not installed: pip install '.[dev]'")

from playwright.sync_api import expect

from .ui import CHROMIUM, window

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"no {CHROMIUM}: apt-get install chromium"),
]

GREEN = dataset_named("green")
MONTH = "2024-01"


class ChangedLaptop(Laptop):
    """A laptop on which a rule is changed between a `taxi run` and `dagster dev`."""

    definitions = f"{__package__}.changed_rule"  # by name: to import it would change the rule for all other tests

    def taxi(self, *arguments: str) -> None:
        subprocess.run([TAXI, *arguments], cwd=self.folder, env=self.environment, check=True, capture_output=True)


@pytest.fixture
def laptop() -> Iterator[ChangedLaptop]:
    with tempfile.TemporaryDirectory(prefix="taxi laptop ") as folder:
        machine = ChangedLaptop(Path(folder), "sample")
        machine.environment["PYTHONPATH"] = str(PROJECT)
        try:
            machine.taxi("run", "green", MONTH)
            machine.start()
            yield machine
        finally:
            machine.stop()


def test_a_month_is_unsynced_and_the_ui_says_why(laptop: ChangedLaptop) -> None:
    with window(laptop.url) as ui:
        ui.open(f"/assets/{GREEN.path(Layer.CLEAN)}?view=partitions&partition={MONTH}")
        ui.see("Unsynced (1)").hover()
        ui.see("1 code version change")
        ui.see("has a new code version")
        ui.picture("stale")

        ui.open(f"/assets/{GREEN.path(Layer.RAW)}?view=partitions&partition={MONTH}")
        ui.see("Materialized")
        expect(ui.page.get_by_text("Unsynced")).to_have_count(0)
