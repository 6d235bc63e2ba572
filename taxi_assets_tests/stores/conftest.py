import multiprocessing
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor

import pytest


@pytest.fixture(scope="module")  # they keep the environment of their start, where a module's servers are named
def processes() -> Iterator[Executor]:
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        yield pool


@pytest.fixture(params=["threads", pytest.param("processes", marks=pytest.mark.slow)])
def workers(request: pytest.FixtureRequest) -> Iterator[Executor]:
    """Two workers, once as threads and once as processes."""
    if request.param == "processes":
        yield request.getfixturevalue("processes")
    else:
        with ThreadPoolExecutor(2) as pool:
            yield pool
