"""Four runs of one month at the same time, with two different files: afterwards every store holds one version.

`python -m taxi_assets_tests.races --rounds 50` says after each round what it found, and ends with status 1 where a
store held another version than the others, or a mix.
"""

import argparse
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import duckdb
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq

from taxi_assets.catalog import Layer, daily_table, dataset_named
from taxi_assets.month import Month
from taxi_assets.raw_file import sha256_of
from taxi_assets.sample import write_month
from taxi_assets.stores.base import TableSlice
from taxi_assets.stores.lake.folder.store import LocalLake
from taxi_assets.stores.postgres.embedded import embedded_url

from .homes import TAXI, Home

GREEN, MONTH = dataset_named("green"), Month(2024, 1)
ROWS = 20_000
_RUNS = ("A", "C", "A", "C")


class Race:
    """A home, and two folders to load one month from: the same rows, in C with the second half first and one less."""

    def __init__(self, folder: Path, rows: int = ROWS) -> None:
        self.home = Home(folder / "home")
        embedded_url(self.home.settings.postgres.folder)  # which runs with this process: no run waits for its start
        self.home.taxi("run", "zones", "--source", "sample")
        self.sources = {name: folder / name for name in "AC"}
        files = {name: source / "trip-data" / GREEN.file_name(MONTH) for name, source in self.sources.items()}
        for file in files.values():
            file.parent.mkdir(parents=True)
        write_month(GREEN, MONTH, files["A"], rows=rows)
        table = pq.read_table(files["A"])
        pq.write_table(table.take(pa.array([*range(rows // 2, rows), *range(rows // 2 - 1)])), files["C"])
        self.digests = {sha256_of(file): name for name, file in files.items()}

    def round(self) -> list[tuple[int, str]]:
        """Run all four at once; the exit status of each, and what it said of its failure."""
        processes = [
            subprocess.Popen(
                [TAXI, "run", GREEN.name, str(MONTH), "--source", self.sources[name]],
                env=self.home.environment(),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            for name in _RUNS
        ]
        told = [process.communicate()[0] for process in processes]
        return [
            (process.returncode, text[text.find(f"{GREEN.name} {MONTH} failed") :] if process.returncode else "")
            for process, text in zip(processes, told, strict=True)
        ]

    def found(self) -> dict[str, str]:
        """Which of the two each place holds, and in the tables how many rows and which sum of positions."""
        lake = LocalLake(Path(self.home.settings.lake))
        raw = lake.get_file(GREEN.path(Layer.RAW), GREEN.file_name(MONTH))
        layers = {
            name: lake.read(GREEN.path(layer), [MONTH]).provenance["taxi/source_sha256"]
            for name, layer in (("clean", Layer.CLEAN), ("quarantine", Layer.QUARANTINE))
        }
        return {name: self.digests[digest] for name, digest in {"raw": raw.sha256, **layers}.items()}

    def mistakes(self) -> list[str]:
        """What is not of the version that the lake's clean month is of."""
        found = self.found()
        mistakes = [f"{name} is {version}" for name, version in found.items() if version != found["clean"]]
        lake = LocalLake(Path(self.home.settings.lake))
        clean = lake.read(GREEN.path(Layer.CLEAN), [MONTH]).to_table()
        rejected = lake.count(TableSlice(GREEN.path(Layer.QUARANTINE), MONTH))
        source = lake.file_rows(GREEN.path(Layer.RAW), GREEN.file_name(MONTH))
        if source != clean.num_rows + rejected:
            mistakes.append(f"{source} rows are not {clean.num_rows} + {rejected}")
        [expected] = duckdb.sql("SELECT count(*), sum(source_row), round(sum(total_amount), 2) FROM clean").fetchall()
        query = (
            "SELECT count(*), sum(source_row), round(sum(total_amount)::numeric, 2)::float8 FROM "
            f"taxi.{GREEN.table} WHERE source_month = '{MONTH.first_day}'"
        )
        daily = f"SELECT sum(trips) FROM taxi.{daily_table(GREEN)} WHERE source_month = '{MONTH.first_day}'"
        with duckdb.connect(self.home.settings.warehouse.path, read_only=True) as warehouse:
            answers = {"warehouse": (warehouse.execute(query).fetchone(), warehouse.execute(daily).fetchone())}
        with psycopg.connect(embedded_url(self.home.settings.postgres.folder)) as postgres:
            answers["postgres"] = (postgres.execute(query).fetchone(), postgres.execute(daily).fetchone())
        for store, (rows, days) in answers.items():
            if tuple(map(float, rows or ())) != tuple(map(float, expected)):
                mistakes.append(f"{store} has {rows} instead of {expected}")
            if days is None or int(days[0]) != clean.num_rows:
                mistakes.append(f"{store} sums up {days} trips instead of {clean.num_rows}")
        return mistakes


def main() -> None:
    """Race for as many rounds as are asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=50)
    rounds = parser.parse_args().rounds
    statuses: Counter[int] = Counter()
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="taxi-races-") as folder:
        race = Race(Path(folder))
        for number in range(rounds):
            ended = race.round()
            statuses.update(status for status, _ in ended)
            mistakes = race.mistakes()
            wrong += bool(mistakes)
            said = "; ".join(mistakes) or "one version"
            print(f"round {number + 1}: {race.found()['clean']}, {[status for status, _ in ended]}, {said}", flush=True)
            for _, failure in filter(lambda one: one[0], ended):
                print(failure, flush=True)
    print(f"{rounds} rounds, {wrong} wrong; exit statuses: {dict(statuses)}")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
