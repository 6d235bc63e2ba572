"""A run of the weather project over several hours, killed between two of them and started again."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from .places import Place
from .runs import MEASURED, Runs, hour, hours, key_of, measured

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]

RUN = hours(hour(1, 20), hour(2, 1))
COMMAND = [sys.executable, "-W", "ignore", "-m", "dagster", "asset", "materialize", "-m", "weather.definitions"]


def killed_after(stored: int, project: Path, correction: float) -> None:
    """Materialize the hours by Dagster's own command, and kill it when it has said that so many are stored."""
    config = {"resources": {"network": {"config": {"correction": correction}}}}
    selection = ["--select", "readings", "--partition-range", f"{key_of(RUN[0])}...{key_of(RUN[-1])}"]
    command = [*COMMAND, *selection, "--config-json", json.dumps(config)]
    environment = {**os.environ, "DAGSTER_DISABLE_TELEMETRY": "1"}
    with subprocess.Popen(command, cwd=project, env=environment, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        lines = []
        for line in process.stderr:
            lines.append(line)
            stored -= ": 9 rows in " in line
            if stored == 0:
                process.kill()
                break
    assert (stored, process.returncode) == (0, -signal.SIGKILL), "".join(lines)


@pytest.mark.parametrize("stored", [1, 4])
def test_a_run_killed_half_way_leaves_whole_hours_and_is_repeated(
    materialize: Runs, place: Place, project: Path, stored: int
) -> None:
    materialize("readings", key_of(RUN[0]), key_of(RUN[-1]))
    killed_after(stored, project, correction=0.5)
    found = place.query(MEASURED)
    new = sum(found[9 * number : 9 * number + 9] == measured(at, correction=0.5) for number, at in enumerate(RUN))
    assert stored <= new
    assert found == [row for number, at in enumerate(RUN) for row in measured(at, correction=0.5 * (number < new))]
    materialize("readings", key_of(RUN[0]), key_of(RUN[-1]), correction=0.5)
    assert place.query(MEASURED) == [row for at in RUN for row in measured(at, correction=0.5)]
