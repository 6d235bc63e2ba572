from pathlib import Path

import pytest

from .races import Race


@pytest.mark.faults
@pytest.mark.timeout(900)
def test_runs_of_one_month_at_the_same_time_leave_one_version_in_every_store(tmp_path: Path) -> None:
    race = Race(tmp_path, rows=2_000)
    assert race.round() == [(0, "")] * 4
    assert race.mistakes() == []
