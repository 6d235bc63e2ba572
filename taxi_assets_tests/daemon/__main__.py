"""Make a backfill of some size with killed runs and a killed daemon, and tell how long it took."""

import argparse
import sys
import time

from taxi_assets.catalog import DATASETS, dataset_named
from taxi_assets.month import Month

from .backfills import Backfill, expected_store, kill_runs, stored_rows
from .machines import laptop, server

_SECONDS = 3600


def main() -> int:
    """Print what happened; 1 where a month is not right in every store."""
    parser = argparse.ArgumentParser(prog="python -m taxi_assets_tests.daemon", description=__doc__)
    parser.add_argument("--months", type=int, default=24)
    parser.add_argument("--dataset", choices=[dataset.name for dataset in DATASETS], default="green")
    parser.add_argument("--storage", choices=("sqlite", "postgres"), default="sqlite", help="of Dagster's records")
    parser.add_argument(
        "--kills", type=int, default=2, help="how many runs are killed; with 0 the daemon lives on, too"
    )
    asked = parser.parse_args()
    dataset = dataset_named(asked.dataset)
    first = dataset.first_month
    months = [Month.parse(f"{first.year + index // 12}-{index % 12 + 1:02}") for index in range(asked.months)]
    with (laptop if asked.storage == "sqlite" else server)(source="sample") as machine:
        started = time.monotonic()
        backfill = Backfill.launched(machine, dataset, months)
        if asked.kills:
            for kill in range(asked.kills):
                after = len(months) * kill // (asked.kills + 1)
                backfill.wait(_SECONDS, until=lambda seen, after=after: seen.counts["SUCCESS"] >= after)
                kill_runs(backfill, 1, _SECONDS)
            machine.kill_daemon()
            machine.start()
        seen = backfill.wait(_SECONDS)
        seconds = time.monotonic() - started
        right = stored_rows(machine, dataset, months) == expected_store(dataset, months)
    print(  # noqa: T201 - it is what the command is for
        f"{len(months)} months of {dataset.name}, Dagster's records in {asked.storage}: "
        f"{seen.status}, {dict(seen.counts)}, every store right: {right}; "
        f"{seconds:.0f} s, {seconds / len(months):.1f} s a month"
    )
    return 0 if right and seen.status == "COMPLETED_SUCCESS" else 1


if __name__ == "__main__":
    sys.exit(main())
