"""Make a backfill on several hosts, and print what became of it; the exit status is 1 where anything was not right."""

import argparse
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from taxi_assets.catalog import dataset_named
from taxi_assets.month import Month
from taxi_assets_tests.daemon.backfills import Backfill
from taxi_assets_tests.daemon.fleet import fleet
from taxi_assets_tests.servers.rabbitmq import why_no_rabbitmq

from .faults import SECONDS, Lab, faults, problems
from .hosts import HUB, enter_hub, hosts
from .servers import hub

GREEN = dataset_named("green")
_FILE_BYTES = 220_000  # of a month of the sample


def main() -> int:
    """Print each fault and its outcome, or the times; then what is wrong in the stores."""
    parser = argparse.ArgumentParser(prog="python -m taxi_assets_tests.scale", description=__doc__)
    parser.add_argument("what", choices=("faults", "speed"))
    parser.add_argument("--months", type=int, default=24, help="enough that the faults do not outlast the backfill")
    parser.add_argument("--download", type=float, default=40, help="seconds that the source takes for a month")
    asked = parser.parse_args()
    if why_no_rabbitmq() or shutil.which("unshare") is None:
        print(why_no_rabbitmq() or "there is no unshare: this needs network namespaces of Linux")  # noqa: T201
        return 1
    enter_hub()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that everything is stopped
    months = [Month(2015, 1).plus(index) for index in range(asked.months)]
    return {"faults": _faults, "speed": _speed}[asked.what](months, asked.download)


def _faults(months: Sequence[Month], download: float) -> int:
    with _lab(months, download, workers=3) as lab:
        began = time.monotonic()
        backfill = Backfill.launched(lab.machine, GREEN, months)
        outcomes = []
        for outcome in faults(lab, backfill):
            outcomes.append(outcome)
            _say(f"{time.monotonic() - began:5.0f} s  {outcome}")
        seen = backfill.wait(SECONDS)
        _say(f"{time.monotonic() - began:5.0f} s  backfill of {len(months)} months: {seen.status}, {dict(seen.counts)}")
        for outcome in outcomes:
            _say(f"         at the end: {outcome}")
        return _report(lab, months)


def _speed(months: Sequence[Month], download: float) -> int:
    taken = {}
    for number in (1, 3):
        with _lab(months, download, workers=number) as lab:
            began = time.monotonic()
            Backfill.launched(lab.machine, GREEN, months).wait(4 * SECONDS)
            taken[number] = time.monotonic() - began
            _say(f"{len(months)} months on {number} hosts with a place each: {taken[number]:.0f} s")
            if _report(lab, months):
                return 1
    _say(f"three hosts take {taken[3] / taken[1]:.2f} of the time of one")
    return 0


@contextmanager
def _lab(months: Sequence[Month], download: float, workers: int) -> Iterator[Lab]:
    with tempfile.TemporaryDirectory(prefix="taxi-scale-") as name, hosts(workers) as connected:
        folder = Path(name)
        (folder / "machine").mkdir()
        with (
            hub(folder, HUB, GREEN, months, rate=_FILE_BYTES / download) as served,
            fleet(folder / "machine", served.storage, served.broker, served.variables) as machine,
        ):
            lab = Lab(machine, connected)
            try:
                for host in connected:
                    lab.start(host)
                yield lab
            finally:
                for worker in lab.workers.values():
                    worker.kill()


def _report(lab: Lab, months: Sequence[Month]) -> int:
    wrong = problems(lab, GREEN, months)
    for problem in wrong:
        _say(problem)
    _say("every month is right in every store, and none was loaded twice" if not wrong else f"{len(wrong)} problems")
    return 1 if wrong else 0


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - it is what the command is for


if __name__ == "__main__":
    sys.exit(main())
