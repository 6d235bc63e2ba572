"""A month that is loaded from one of two files in turn, by runs that are killed and by those that come after them."""

import random
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from taxi_assets.catalog import dataset_named
from taxi_assets.month import Month
from taxi_assets.sample import write_tree
from taxi_assets.source.files import month_path
from taxi_assets.stores.postgres.embedded import embedded_url
from taxi_assets_tests.conftest import environment
from taxi_assets_tests.homes import Home
from taxi_assets_tests.servers.bigquery import bigquery_server
from taxi_assets_tests.servers.gcs import gcs_server, new_bucket
from taxi_assets_tests.stores.servers import folder_for_server

from .commands import Command, kill_all, processes_of
from .stores import LAYERS, Contents, contents, leftovers

GREEN, MONTH = dataset_named("green"), Month(2024, 1)
ROWS = 4_000
SECONDS_FOR_A_RUN = 300  # of a small month: what takes longer hangs
_LAKE = ("raw", "clean", "quarantine")
_STEPS = 7  # after as many of a run's steps, or before the first, a kill falls: over seconds alone most fell on imports


@dataclass
class Report:
    """What a campaign found.

    Attributes:
        kills: how many runs were killed before they ended.
        found: what the stores held after a kill -> how often.
        faults: whatever should not be, a line each.
    """

    kills: int = 0
    found: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


class Campaign:
    """Runs of one month in one home.

    Args:
        home: whose stores are loaded.
        sources: the two folders that the month comes from in turn.
        chance: picks moments.
        kills_servers: whether every other kill takes the embedded Postgres with it.
    """

    def __init__(self, home: Home, sources: list[Path], chance: random.Random, *, kills_servers: bool) -> None:
        self._home = home
        self._sources = sources
        self._chance = chance
        self._kills_servers = kills_servers
        self._seconds = 0.0
        self.report = Report()
        self._versions = [self._loaded(number) for number in (0, 1, 0)][1:]
        self._versions.reverse()
        if alike := [layer for layer in LAYERS if self._versions[0][layer] == self._versions[1][layer]]:
            raise RuntimeError(f"the two files make the same {', '.join(alike)}, so that a mix would not show")
        self._current = 0

    def kill_once(self) -> None:
        """Kill a run of the other file, look at the stores, make the next run, and look again."""
        number, coming = self.report.kills, 1 - self._current
        command = self._command(coming, f"killed-{number}")
        steps = self._chance.randrange(_STEPS)
        with_servers = self._kills_servers and number % 2 == 1
        started = time.monotonic()
        command.wait_for_steps(steps)
        # As long as the imports and the fetch take before the first step, or a step and a bit after another one.
        time.sleep(self._chance.uniform(0, (0.2 if steps else 0.6) * self._seconds))
        moment = time.monotonic() - started
        victims = processes_of(self._home.folder) if with_servers else []
        status = command.kill()
        kill_all(victims)
        if status is not None:
            self._ended(status, moment, coming)
            return
        self.report.kills += 1
        self._judge(number, moment, contents(self._home, GREEN, MONTH), coming)
        started = time.monotonic()
        status = self._command(coming, f"next-{number}").wait(SECONDS_FOR_A_RUN)
        self._seconds = time.monotonic() - started
        if status != 0:
            self._fault(number, moment, f"the next run {'hung' if status is None else f'ended with {status}'}")
        elif (now := contents(self._home, GREEN, MONTH)) != self._versions[coming]:
            self._fault(number, moment, f"after the next run: {self._named(now)}")
        running = [process.name() for process in processes_of(self._home.folder) if process.name() != "postgres"]
        for left in [*leftovers(self._home), *(f"process {name}" for name in running)]:
            self._fault(number, moment, f"left behind: {left}")
        self._current = coming

    def _ended(self, status: int, moment: float, version: int) -> None:
        """Note a run that ended before it was killed, which counts as no kill."""
        if status != 0:
            self._fault(self.report.kills, moment, f"a run that nobody killed ended with {status}")
        self._current = version

    def _judge(self, number: int, moment: float, found: Contents, coming: int) -> None:
        named = self._named(found)
        allowed = {"old" if self._current == 0 else "new", "old" if coming == 0 else "new"}
        for layer, version in named.items():
            if version not in allowed:
                self._fault(number, moment, f"{layer} is neither the old month nor the new one: {found[layer]!r:.200}")
        if len({named[layer] for layer in _LAKE}) > 1:
            self._fault(number, moment, f"the lake holds two versions: {named}")
        loaded = sum(named[layer] == ("old" if coming == 0 else "new") for layer in LAYERS)
        before, after = "before anything was replaced", "after everything was replaced"
        self.report.found[before if not loaded else after if loaded == len(LAYERS) else "half-way between stores"] += 1

    def _named(self, found: Contents) -> dict[str, str]:
        return {
            layer: next(
                (
                    name
                    for name, version in zip(("old", "new"), self._versions, strict=True)
                    if version[layer] == found[layer]
                ),
                "neither",
            )
            for layer in LAYERS
        }

    def _loaded(self, version: int) -> Contents:
        started = time.monotonic()
        command = self._command(version, "first")
        if command.wait(SECONDS_FOR_A_RUN) != 0:
            raise RuntimeError(f"the month cannot be loaded at all:\n{command.output.read_text()[-4000:]}")
        self._seconds = time.monotonic() - started
        return contents(self._home, GREEN, MONTH)

    def _command(self, version: int, name: str) -> Command:
        arguments = ["run", GREEN.name, str(MONTH), "--source", str(self._sources[version])]
        return Command(arguments, self._home.environment(), self._home.folder.with_name(f"{name}.log"))

    def _fault(self, number: int, moment: float, text: str) -> None:
        self.report.faults.append(f"kill {number}, {moment:.2f} s into the run: {text}")


@contextmanager
def embedded(seed: int) -> Iterator[Campaign]:
    """A campaign on the stores that need no set-up: a folder, the embedded Postgres, DuckDB."""
    with _work() as work:
        home = Home(work / "home")
        home.folder.mkdir()
        yield Campaign(home, _two_files(work), random.Random(seed), kills_servers=True)  # noqa: S311
        kill_all(processes_of(home.folder))


@contextmanager
def remote(seed: int) -> Iterator[Campaign]:
    """A campaign on a Postgres server, and on the GCS and BigQuery emulators."""
    with ExitStack() as stack:
        work = stack.enter_context(_work())
        gcs = stack.enter_context(gcs_server(work / "buckets"))
        stack.enter_context(environment(STORAGE_EMULATOR_HOST=gcs.url))
        bigquery = stack.enter_context(bigquery_server(gcs.folder))
        stack.enter_context(environment(BIGQUERY_EMULATOR_HOST=bigquery.url))
        home = Home(
            work / "home",
            TAXI_LAKE=f"gs://{new_bucket().name}/lake",
            TAXI_POSTGRES=embedded_url(stack.enter_context(folder_for_server())),
            TAXI_WAREHOUSE="bigquery://project/taxi?location=US",
        )
        home.folder.mkdir()
        yield Campaign(home, _two_files(work), random.Random(seed), kills_servers=False)  # noqa: S311


@contextmanager
def _work() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="taxi-kills-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)  # the embedded server runs as another user where this one is root
        yield Path(folder)


def _two_files(work: Path) -> list[Path]:
    """Two sources with the month; the second one's file has its second half first, and some rows fewer."""
    folders = [work / "first", work / "second"]
    for folder in folders:
        write_tree(folder, rows=ROWS, months=[(GREEN, MONTH)])
    file = folders[1] / month_path(GREEN, MONTH)
    rows = pq.read_table(file)
    half = rows.num_rows // 2
    pq.write_table(pa.concat_tables([rows.slice(half), rows.slice(100, half - 100)]), file)
    return folders
