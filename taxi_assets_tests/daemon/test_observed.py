"""What TLC publishes, replaces and withholds, as the real daemon's records show it."""

from pathlib import Path

import pytest

from .backfills import YELLOW
from .observed import LOADED, REPLACED, bring_about, replaced_file, states
from .watched import Watch, after_ticks, runs, until

pytestmark = [pytest.mark.daemon, pytest.mark.timeout(900), pytest.mark.xdist_group("watch")]


def test_published_loaded_stale_and_unpublished_months_are_apart(watch: Watch, tmp_path: Path) -> None:
    machine, cdn = watch.machine, watch.cdn

    def requests() -> int:
        return sum(YELLOW.name in request.path for request in cdn.requests)

    bring_about(machine, cdn, tmp_path, YELLOW)
    assert states(machine, YELLOW) == [(True, "MISSING"), (True, "FRESH"), (True, "STALE"), (False, "MISSING")]
    cdn.held.discard(replaced_file(YELLOW))
    until(lambda: states(machine, YELLOW)[2] == (True, "FRESH"))
    until(lambda: runs(machine, YELLOW)[-1][1] == "SUCCESS")
    before = requests()
    begun = after_ticks(machine, 5, YELLOW)
    assert sorted(runs(machine, YELLOW)) == [(str(LOADED), "SUCCESS"), *[(str(REPLACED), "SUCCESS")] * 2]
    # At rest a tick asks for the next month and for the two loaded ones; one tick was under way, and one may be again.
    assert requests() - before <= (begun + 2) * 3
