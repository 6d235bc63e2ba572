"""Measure and print; each pair is measured in turns, since the speed of a machine drifts.

python -m benchmarks [--rows N] [--rounds N] [--peers] [--write docs/performance.md] [limits] [run] [scale] [checks] …
"""

import argparse
import os
import signal
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from google.cloud import storage

from benchmarks import checking, loading, overview, peers
from benchmarks.measuring import Cost, in_turns
from benchmarks.report import Line, publish
from benchmarks.stock_server import stock_server
from benchmarks.whole_runs import WholeRuns
from taxi_assets.catalog import Dataset, dataset_named
from taxi_assets.month import Month
from taxi_assets.sample import write_month, write_tree
from taxi_assets.source.files import month_path
from taxi_assets.stores.base import TableSlice
from taxi_assets.stores.postgres.embedded import embedded_url
from taxi_assets_tests.servers.bigquery import bigquery_server
from taxi_assets_tests.servers.gcs import gcs_server

YELLOW, FHVHV, MONTH = dataset_named("yellow"), dataset_named("fhvhv"), Month(2024, 1)
_SCALE_ROWS = 20_000_000
_BARE_COPY = "DuckDB: `COPY` of the Parquet file"
MEASURES = ("limits", "run", "checks", "scale", "cloud", "status", "plan", "loaded")


@dataclass(frozen=True)
class Bench:
    """What every measure needs.

    Attributes:
        work: a folder for all files.
        rows: in the yellow month.
        rounds: how often each side is measured.
    """

    work: Path
    rows: int
    rounds: int

    @property
    def source(self) -> Path:
        """A folder laid out as TLC's."""
        return self.work / "source"

    def raw(self, dataset: Dataset, rows: int) -> Path:
        """The month's file in the source, written at the first call with the zones."""
        path = self.source / month_path(dataset, MONTH)
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_tree(self.source, months=[])
            write_month(dataset, MONTH, path, rows=rows)
        return path

    @cached_property
    def everything(self) -> overview.Overview:
        """A home with every month of every dataset, which takes a minute and a half to make.

        Its source has the yellow month in full, which is run first, so that the home is known to hold synthetic data.
        """
        published = Bench(self.work / "published", self.rows, self.rounds)
        published.raw(YELLOW, self.rows)
        home = self.work / "everything"
        WholeRuns(home, published.source, {}).run(YELLOW, MONTH)
        return overview.Overview(home, published.source)

    def turns(self, *sides: object) -> list[Cost]:
        """The medians of the sides."""
        return in_turns(self.rounds, *sides)  # type: ignore[arg-type]


def main() -> None:
    """Run the measures that the command line names, or all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure speed and memory.")
    parser.add_argument("measures", nargs="*", metavar="measure", help=", ".join(MEASURES))
    parser.add_argument("--rows", type=int, default=1_369_769, help="rows in the yellow-shaped month")
    parser.add_argument("--rounds", type=int, default=5, help="how often each side is measured; the median counts")
    parser.add_argument("--peers", action="store_true", help="install other tools in temporary environments, too")
    parser.add_argument("--mage", action="store_true", help="install Mage, too, which takes 1.4 GB")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the table between the markers of this page")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="taxi-bench-") as folder:
        work = Path(folder)
        work.chmod(0o755)  # the embedded server runs as another user where this one is root
        bench = Bench(work, given.rows, given.rounds)
        bench.raw(YELLOW, given.rows)
        others = [name for name in ("peers", "mage") if getattr(given, name)]
        measures = [*(given.measures or MEASURES), *others]
        try:
            lines = [line for measure in measures for line in globals()[f"measure_{measure}"](bench)]
        finally:
            for file in work.rglob("postmaster.pid"):  # before the folder goes, in which they would be stopped
                os.kill(int(file.read_text().split()[0]), signal.SIGINT)
    about = f"{given.rows:,} yellow-shaped rows unless stated otherwise; medians of {given.rounds}, in turns."
    publish(lines, about, given.write)


def measure_limits(bench: Bench) -> Iterator[Line]:
    """Each store against the shortest way there is into it; then the whole run against the sum of those."""
    raw = bench.raw(YELLOW, bench.rows)
    cleaning = loading.Cleaning(bench.work, raw, YELLOW, MONTH)
    rows, piece, limits = cleaning.rows(), TableSlice(YELLOW.table, MONTH), []
    ours, theirs = bench.turns(cleaning.clean_and_write, cleaning.copy_as_it_is)
    yield Line("clean, and write both outcomes", ours, _BARE_COPY, theirs)
    limits.append(theirs)
    embedded = loading.PostgresLoads(bench.work, rows, piece, embedded_url(bench.work / "postgres"))
    ours, theirs = bench.turns(embedded.replace, embedded.copy_from_file)
    yield Line("Postgres, embedded: replace", ours, "create, `COPY … FREEZE` of a binary file, commit", theirs)
    limits.append(theirs)
    with stock_server(bench.work) as url:
        stock = loading.PostgresLoads(bench.work, rows, piece, url)
        ours, theirs = bench.turns(stock.replace, stock.copy_from_file)
        yield Line("Postgres, settings of `initdb`: replace", ours, "the same", theirs)
    warehouse = loading.WarehouseLoads(bench.work, rows, piece)
    ours, theirs = bench.turns(warehouse.replace, warehouse.create_as)
    yield Line("DuckDB: replace", ours, "`CREATE OR REPLACE TABLE … AS`", theirs)
    limits.append(theirs)
    runs = WholeRuns(bench.work / "home", bench.source, {})
    runs.run(YELLOW, MONTH)  # creates the home and the server
    ours, theirs = bench.turns(lambda: runs.run(YELLOW, MONTH), runs.empty)
    yield Line("`taxi run`, the whole process", ours, "a run of an asset that does nothing", theirs)
    above = Cost(ours.seconds - theirs.seconds, ours.cpu - theirs.cpu)
    shortest = Cost(sum(each.seconds for each in limits), sum(each.cpu for each in limits))
    yield Line("`taxi run` without that", above, "the three limits together", shortest)


def measure_run(bench: Bench) -> Iterator[Line]:
    """The whole `taxi run` process, from the folder into all stores."""
    runs = WholeRuns(bench.work / "home", bench.source, {})
    yield Line("`taxi run`, the whole process", *bench.turns(lambda: runs.run(YELLOW, MONTH)))


def measure_checks(bench: Bench) -> Iterator[Line]:
    """A run of all assets, against one of the same assets that makes none of their checks."""
    runs = checking.Checking(bench.work, YELLOW, MONTH)
    ours, theirs = bench.turns(runs.with_checks, runs.without_checks)
    added = f"a run: its checks add {ours.seconds - theirs.seconds:.2f} s"
    yield Line(added, ours, "the same without checks", theirs)


def measure_scale(bench: Bench) -> Iterator[Line]:
    """Memory and speed where the month has 20,000,000 rows; that month once, since it takes minutes."""
    raw = bench.raw(FHVHV, _SCALE_ROWS)
    runs = WholeRuns(bench.work / "home", bench.source, {})
    runs.run(YELLOW, MONTH)
    (small,), large = bench.turns(lambda: runs.run(YELLOW, MONTH)), runs.run(FHVHV, MONTH)
    speed = (_SCALE_ROWS / large.seconds) / (bench.rows / small.seconds)
    what = f"`taxi run` of {_SCALE_ROWS:,} fhvhv rows, once"
    yield Line(what, large, "the yellow month; ratio of the rows a second", small, speed)
    cleaning = loading.Cleaning(bench.work, raw, FHVHV, MONTH)
    what = f"clean, and write both outcomes of {_SCALE_ROWS:,} fhvhv rows, once"
    yield Line(what, cleaning.clean_and_write(), _BARE_COPY, cleaning.copy_as_it_is())


def measure_cloud(bench: Bench) -> Iterator[Line]:
    """The same with the lake in GCS and the warehouse in BigQuery, by emulators on this machine."""
    with gcs_server(bench.work / "buckets") as gcs, bigquery_server(gcs.folder) as bigquery:
        servers = {"STORAGE_EMULATOR_HOST": gcs.url, "BIGQUERY_EMULATOR_HOST": bigquery.url}
        os.environ.update(servers)
        storage.Client().create_bucket("bench")
        stores = {"TAXI_LAKE": "gs://bench/lake", "TAXI_WAREHOUSE": "bigquery://bench/taxi"}
        runs = WholeRuns(bench.work / "cloud", bench.source, {**servers, **stores})
        yield Line("`taxi run`, emulated GCS and BigQuery", *bench.turns(lambda: runs.run(YELLOW, MONTH)))


def measure_status(bench: Bench) -> Iterator[Line]:
    """The whole `taxi status` process where every month is loaded, against one that opens Dagster's instance only."""
    home = bench.everything
    ours, theirs = bench.turns(home.status, home.only_dagster)
    yield Line(f"`taxi status`, {home.months} months loaded", ours, "opening Dagster's instance", theirs)


def measure_plan(bench: Bench) -> Iterator[Line]:
    """The whole `taxi plan` process where every month is stale, against one that opens Dagster's instance only."""
    home = bench.everything
    ours, theirs = bench.turns(home.plan, home.only_dagster)
    yield Line(f"`taxi plan`, {home.months} months to load", ours, "opening Dagster's instance", theirs)


def measure_loaded(bench: Bench) -> Iterator[Line]:
    """`taxi run` in a home where every month of every dataset is loaded, against one in a home with its month only."""
    home = bench.everything
    alone = WholeRuns(bench.work / "alone", home.source, {})
    alone.run(YELLOW, MONTH)
    embedded_url(bench.work / "alone" / "postgres")  # as the other home's, which runs since the months are loaded
    among_others = WholeRuns(home.folder, home.source, {})
    ours, theirs = bench.turns(lambda: among_others.run(YELLOW, MONTH), lambda: alone.run(YELLOW, MONTH))
    yield Line(f"`taxi run`, {home.months} months loaded", ours, "the same, no other month loaded", theirs)


def measure_peers(bench: Bench) -> Iterator[Line]:
    """Other tools with the same file, each as a whole process in an environment of its own."""
    yield from _compared(bench, peers.PEERS)


def measure_mage(bench: Bench) -> Iterator[Line]:
    """Mage, which the course of this project's architecture uses, in the same way."""
    yield from _compared(bench, [peers.MAGE])


def _compared(bench: Bench, tools: Sequence[peers.Peer]) -> Iterator[Line]:
    with stock_server(bench.work) as url:
        yield from peers.compared(tools, bench.work, bench.raw(YELLOW, bench.rows), url, bench.rounds)


if __name__ == "__main__":
    main()
