"""Processes that are forked off one which has imported everything: imports take longer than what is killed in them.

Python has one such process for all who ask for it. What each of them needs is named here, since a list that is set
later takes the place of the one before.
"""

import multiprocessing
import os
from collections.abc import Mapping

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    [
        "taxi_assets_tests.faults.processes",
        "taxi_assets_tests.kills.commands",
        "taxi_assets.cleaning",
        "taxi_assets.cli.main",
        "taxi_assets.testing",
        "taxi_assets.automation.preloaded",
    ]
)


def take_over(environment: Mapping[str, str]) -> None:
    """Set in a forked process what it does not have: the variables that were set after the first was forked."""
    os.environ.update(environment)
