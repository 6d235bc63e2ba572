import gc
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from taxi_assets.stores.postgres.embedded import embedded_url
from taxi_assets_tests.garbage import collect_seldom
from taxi_assets_tests.instances import copy_tables_of_ephemeral_instances
from taxi_assets_tests.servers.bigquery import BigQueryServer, bigquery_server, why_no_bigquery_server
from taxi_assets_tests.servers.gcs import GcsServer, gcs_server
from taxi_assets_tests.stores.servers import folder_for_server, spare_the_disk

if TYPE_CHECKING:
    from taxi_assets_tests.daemon.watched import Watch

IN_MEMORY = Path("/dev/shm")  # noqa: S108 - each test has a folder of its own in it
BYTES_NEEDED = 8_000_000_000
LAST_MACHINE = 0.6  # of the way through the groups of tests, since a machine's take minutes


def keep_temporary_files_in_memory() -> None:
    """Where there is room: the disk took a ninth of the tests' processor time.

    By Python's own variable, since `TMPDIR` would also be where scratch is.
    """
    there = "TMPDIR" not in os.environ and IN_MEMORY.is_dir() and os.access(IN_MEMORY, os.W_OK)
    if there and min(shutil.disk_usage(IN_MEMORY).free, psutil.virtual_memory().available) > BYTES_NEEDED:
        tempfile.tempdir = str(IN_MEMORY)


keep_temporary_files_in_memory()
copy_tables_of_ephemeral_instances()
collect_seldom()


def pytest_itemcollected(item: pytest.Item) -> None:
    """Keep a module's tests together where groups stay on one worker: each worker makes the module's fixtures anew."""
    if item.get_closest_marker("xdist_group") is None:
        item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))


def pytest_collection_finish() -> None:
    gc.freeze()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What may take longest begins first, so that no worker is left with it when the others have ended.

    Machines are spread among the rest: each waits most of its time, and three of them at once left a core idle.
    """
    for item in items:
        # Where groups stay on one worker, pytest-xdist 3.8 adds the name of the group to `_nodeid`, which pytest no
        # longer reads since 9.2: without this, groups are silently ignored.
        with_group = getattr(item, "_nodeid", item.nodeid)
        if with_group != item.nodeid:
            item._id = type(item._id).parse(with_group)

    def longest(item: pytest.Item) -> float:
        limit = item.get_closest_marker("timeout")
        return 0 if limit is None else limit.args[0]

    items.sort(key=longest, reverse=True)
    groups = list(dict.fromkeys(map(group_of, items)))
    machines = {group_of(item) for item in items if {"daemon", "browser"} & {mark.name for mark in item.iter_markers()}}
    places = {}
    for waits, share in ((True, LAST_MACHINE), (False, 1)):
        chosen = [group for group in groups if (group in machines) is waits]
        places |= {group: share * number / len(chosen) for number, group in enumerate(chosen)}
    items.sort(key=lambda item: places[group_of(item)])


def group_of(item: pytest.Item) -> str:
    """The tests that share a machine, or the module's."""
    mark = item.get_closest_marker("xdist_group")
    assert mark is not None
    return str(mark.args[0])


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores, since tests wait for servers and disks now and then."""
    return 1 + (os.cpu_count() or 1)


@contextmanager
def environment(**variables: str) -> Iterator[None]:
    """Variables that this process and those it starts have for a while."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A real server of this session's own, which no test kills."""
    with folder_for_server() as folder:
        url = embedded_url(folder)
        spare_the_disk(url)
        yield url


@pytest.fixture(scope="session")
def gcs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GcsServer]:
    """A real fake-gcs-server of this session's own, which Google's client finds by itself."""
    with (
        gcs_server(tmp_path_factory.mktemp("gcs") / "buckets") as server,
        environment(STORAGE_EMULATOR_HOST=server.url),
    ):
        yield server


@pytest.fixture(scope="session")
def bigquery(gcs: GcsServer) -> Iterator[BigQueryServer]:
    """A BigQuery emulator of this session's own, which loads from the buckets of `gcs`."""
    reason = why_no_bigquery_server()
    if reason is not None:
        pytest.skip(reason)
    with bigquery_server(gcs.folder) as server, environment(BIGQUERY_EMULATOR_HOST=server.url):
        yield server


@pytest.fixture(scope="session")
def watch() -> Iterator["Watch"]:
    """A machine whose sensors watch a server of files, for the tests of the group `watch`: a dataset each."""
    from taxi_assets_tests.daemon.watched import Watch, hurried_laptop, webhook  # 0.4 s, for a few tests only
    from taxi_assets_tests.source.cdn import serving

    with serving() as cdn, webhook() as (hook, alerts), hurried_laptop(cdn.url, hook) as machine:
        yield Watch(machine, cdn, alerts)
