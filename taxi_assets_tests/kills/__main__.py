"""Kill whole runs at random times and print what was found; the exit status is 1 where anything was not as promised."""

import argparse
import sys
import time

from .campaign import Campaign, Report, embedded, remote

LANES = {"embedded": embedded, "remote": remote}


def main() -> int:
    """Print a line a kill that found a fault, and the sums."""
    parser = argparse.ArgumentParser(prog="python -m taxi_assets_tests.kills", description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--stores", choices=LANES, default="embedded")
    parser.add_argument("--seed", type=int, default=0, help="another one gives other moments")
    parser.add_argument("--minutes", type=float, default=60, help="begin no kill after that")
    asked = parser.parse_args()
    end = time.monotonic() + asked.minutes * 60
    with LANES[asked.stores](asked.seed) as campaign:
        while campaign.report.kills < asked.kills and time.monotonic() < end:
            _kill_and_print(campaign)
    _print(asked.stores, campaign.report)
    return 1 if campaign.report.faults else 0


def _kill_and_print(campaign: Campaign) -> None:
    known = len(campaign.report.faults)
    campaign.kill_once()
    for fault in campaign.report.faults[known:]:
        print(fault, flush=True)  # noqa: T201 - it is what the command is for
    if campaign.report.kills % 10 == 0:
        print(f"{campaign.report.kills} kills, {len(campaign.report.faults)} faults", flush=True)  # noqa: T201


def _print(stores: str, report: Report) -> None:
    print(f"{stores}: {report.kills} kills, {dict(report.found)}, {len(report.faults)} faults")  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
