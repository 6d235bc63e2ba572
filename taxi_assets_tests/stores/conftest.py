import os
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor

import pytest

from taxi_assets_tests.forks import FORKS, take_over

OF_PROCESSES = [pytest.mark.slow, pytest.mark.xdist_group("processes")]  # one worker starts what they are forked off


@pytest.fixture(scope="module")  # they keep the environment of their start, where a module's servers are named
def processes() -> Iterator[Executor]:
    with ProcessPoolExecutor(2, FORKS, initializer=take_over, initargs=(dict(os.environ),)) as pool:
        yield pool


@pytest.fixture(params=["threads", pytest.param("processes", marks=OF_PROCESSES)])
def workers(request: pytest.FixtureRequest) -> Iterator[Executor]:
    """Two workers, once as threads and once as processes."""
    if request.param == "processes":
        yield request.getfixturevalue("processes")
    else:
        with ThreadPoolExecutor(2) as pool:
            yield pool
