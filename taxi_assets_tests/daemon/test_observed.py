"""What TLC publishes, replaces and withholds, as the real daemon's records show it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from taxi_assets_tests.source.cdn import Cdn, serving

from .machines import Machine
from .observed import LOADED, REPLACED, bring_about, replaced_file, states
from .watched import after_ticks, hurried_laptop, runs, until, webhook

pytestmark = [pytest.mark.daemon, pytest.mark.timeout(600)]


@pytest.fixture
def cdn() -> Iterator[Cdn]:
    with serving() as cdn:
        yield cdn


@pytest.fixture
def machine(cdn: Cdn) -> Iterator[Machine]:
    with webhook() as (url, _), hurried_laptop(cdn.url, url) as machine:
        yield machine


def test_published_loaded_stale_and_unpublished_months_are_apart(machine: Machine, cdn: Cdn, tmp_path: Path) -> None:
    bring_about(machine, cdn, tmp_path)
    assert states(machine) == [(True, "MISSING"), (True, "FRESH"), (True, "STALE"), (False, "MISSING")]
    cdn.failing.discard(replaced_file(cdn))
    until(lambda: states(machine)[2] == (True, "FRESH"))
    until(lambda: runs(machine)[-1][1] == "SUCCESS")
    requests = len(cdn.requests)
    after_ticks(machine, 5)
    assert sorted(runs(machine)) == [(str(LOADED), "SUCCESS"), *[(str(REPLACED), "SUCCESS")] * 2]
    # At rest a tick asks for the next month and for the two loaded ones.
    assert len(cdn.requests) - requests <= 8 * 3
