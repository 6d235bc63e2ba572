"""A week in the life: the real daemon keeps the tables up with a source, while files, processes and people go wrong.

Prints what the alerts said, in order, and what the stores hold at the end; each day takes a minute.
"""

import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import psutil
import pyarrow.parquet as pq

from taxi_assets.catalog import ZONES_PATH
from taxi_assets.month import Month
from taxi_assets.sample.zone_lookup import write_zones
from taxi_assets_tests.daemon.backfills import stored_rows
from taxi_assets_tests.daemon.machines import Machine
from taxi_assets_tests.daemon.watched import (
    GREEN,
    clean_rows,
    hurried_laptop,
    publish,
    runs,
    start_sensor,
    ticks,
    until,
    webhook,
)
from taxi_assets_tests.homes import REAL_FILES, TAXI
from taxi_assets_tests.source.cdn import Cdn, serving

BASE, FIRST, SECOND, THIRD = (Month.current().plus(-ago) for ago in (4, 3, 2, 1))
ROWS = 3_000
PATIENCE = 300  # seconds for what has to happen


@dataclass
class Week:
    """What the days have at hand.

    Attributes:
        machine: with the daemon, the UI and the stores.
        cdn: the source.
        alerts: what the webhook was sent so far.
        folder: for what is about to be published.
        held: what went as it should, a sentence each, and whether it did.
    """

    machine: Machine
    cdn: Cdn
    alerts: list[str]
    folder: Path
    held: dict[str, bool] = field(default_factory=dict)

    def publish(self, month: Month, etag: str, rows: int = ROWS) -> None:
        """Put the month of the sample on the server."""
        publish(self.cdn, self.folder, month, etag, rows)

    def published(self, month: Month) -> bytes:
        """The bytes of the month on the server."""
        return self.cdn.files[f"trip-data/{GREEN.file_name(month)}"][0]

    def put(self, month: Month, body: bytes, etag: str) -> None:
        """Put those bytes on the server as the month's file."""
        self.cdn.put(f"trip-data/{GREEN.file_name(month)}", body, etag)

    def rows(self, month: Month) -> tuple[int, int]:
        """What Postgres and the warehouse hold of the month."""
        stored = stored_rows(self.machine, GREEN, [])
        return stored["postgres"].get(month, 0), stored["warehouse"].get(month, 0)

    def holds(self, month: Month, rows: int = ROWS) -> bool:
        """Whether both tables hold the clean rows of a sample month of so many rows."""
        return self.rows(month) == (clean_rows(month, rows),) * 2

    @property
    def subjects(self) -> list[str]:
        """What the alerts are about, in order."""
        return [text.splitlines()[0].removeprefix("*ERROR ").removesuffix("*") for text in self.alerts]

    def is_loaded(self) -> bool:
        """Whether the newest run of every month succeeded."""
        return all(self.status(month)[-1:] == ["SUCCESS"] for month in (BASE, FIRST, SECOND, THIRD))

    def environment(self, home: Path, source: str | None = None) -> dict[str, str]:
        """Of a command in that home, on the machine's source or another one."""
        environment = {**self.machine.environment, "TAXI_HOME": str(home), "COLUMNS": "200"}
        return environment if source is None else {**environment, "TAXI_SOURCE": source}

    def taxi(
        self, *arguments: str, home: Path | None = None, source: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run the command, on the machine's home or another one, and wait for it."""
        environment = self.environment(home or self.machine.home, source)
        return subprocess.run([TAXI, *arguments], env=environment, capture_output=True, text=True, check=False)

    def told(self, error: str) -> bool:
        """Whether the newest alert is of one error, this one."""
        lines = self.alerts[-1].splitlines() if self.alerts else []
        errors = [line for line in lines if line.startswith("ERROR")]
        return len(errors) == 1 and errors[0].startswith(f"ERROR {error}")

    def status(self, month: Month) -> list[str]:
        """The status of every run of the month, oldest first."""
        return [status for key, status in runs(self.machine) if key == str(month)]

    def expect(self, what: str, condition: Callable[[], bool]) -> None:
        """Wait for it, and note whether it came."""
        try:
            until(condition, PATIENCE)
        except AssertionError:
            self.held[what] = False
        else:
            self.held[what] = True
        say(f"  {'yes' if self.held[what] else 'NO '}  {what}")


def a_month_comes_out(week: Week) -> None:
    """Monday: a month comes out, and is loaded."""
    week.publish(FIRST, '"first"')
    week.expect(f"{FIRST} is loaded", lambda: week.status(FIRST)[-1:] == ["SUCCESS"] and week.holds(FIRST))


def a_truncated_file(week: Week) -> None:
    """Tuesday: half a file is published, and mended later."""
    week.publish(SECOND, '"whole"')
    whole = week.published(SECOND)
    week.put(SECOND, whole[: len(whole) // 2], '"half"')
    week.expect(f"{SECOND} failed, and an alert says why", lambda: week.told("green/raw_trips: BadFile: "))
    week.put(SECOND, whole, '"whole"')
    week.expect(f"{SECOND} is loaded without help", lambda: "SUCCESS" in week.status(SECOND) and week.holds(SECOND))


def an_emptied_month(week: Week) -> None:
    """Wednesday: a loaded month is published again without a row."""
    whole, empty = week.published(FIRST), BytesIO()
    pq.write_table(pq.read_table(BytesIO(whole)).slice(0, 0), empty)
    week.put(FIRST, empty.getvalue(), '"emptied"')
    week.expect(
        f"the emptied {FIRST} is refused, and an alert says why",
        lambda: week.told(f"green/clean_trips: check not_shrunk failed: green {FIRST}: no row would be loaded"),
    )
    week.expect(f"{FIRST} still has its rows", lambda: week.status(FIRST)[-1] == "FAILURE" and week.holds(FIRST))
    week.put(FIRST, whole, '"first again"')
    week.expect(f"{FIRST} is loaded again", lambda: week.status(FIRST)[-1] == "SUCCESS" and week.holds(FIRST))


def a_killed_daemon(week: Week) -> None:
    """Thursday: the daemon is killed, a month comes out, and the daemon starts again."""
    week.machine.kill_daemon()
    week.publish(THIRD, '"third"')
    week.machine.start()
    week.expect(f"{THIRD} is loaded after the restart", lambda: week.status(THIRD) == ["SUCCESS"] and week.holds(THIRD))


def a_killed_run(week: Week) -> None:
    """Friday: a month is replaced, and the process of its run is killed."""
    week.publish(THIRD, '"replaced"', ROWS - 500)
    week.expect(
        "a run is under way and is killed",
        lambda: week.status(THIRD) == ["SUCCESS", "STARTED"] and killed(week.machine),
    )
    week.expect(
        f"{THIRD} is loaded by the next run, and no alert was needed",
        lambda: week.status(THIRD) == ["SUCCESS", "FAILURE", "SUCCESS"] and week.holds(THIRD, ROWS - 500),
    )


def killed(machine: Machine) -> bool:
    """Kill the runs under way, if there are any."""
    found = machine.runs()
    for process in found:
        process.kill()
    psutil.wait_procs(found, timeout=10)
    return bool(found)


def an_interrupted_command(week: Week) -> None:
    """Saturday: a person loads the month before them all, and presses Ctrl-C; then once more without."""
    status, told = interrupted(week, BASE)
    say(f"  Ctrl-C while it is cleaned: status {status}")
    say("".join(f"       {line}\n" for line in told.splitlines()).rstrip())
    week.expect(
        f"Ctrl-C ends the command with 130 and a word about {BASE}", lambda: status == 130 and str(BASE) in told
    )
    week.expect(f"{BASE} is whole or not there", lambda: set(week.rows(BASE)) <= {0, clean_rows(BASE, ROWS)})
    again = week.taxi("run", "green", str(BASE))
    week.expect(f"{BASE} is loaded by the next command", lambda: again.returncode == 0 and week.holds(BASE))


def interrupted(week: Week, month: Month) -> tuple[int, str]:
    """The status of a `taxi run` that got Ctrl-C while it cleaned the month, and what it said from then on."""
    running = subprocess.Popen(
        [TAXI, "run", "green", str(month)],
        env=week.environment(week.machine.home),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509 - as in a terminal
    )
    assert running.stdout is not None
    for line in running.stdout:
        if "green/clean_trips" in line:
            break
    running.send_signal(signal.SIGINT)
    told, _ = running.communicate(timeout=PATIENCE)
    return running.returncode, told


def real_months(week: Week) -> None:
    """Sunday: the demo, and real months beside it: each kind in a home of its own."""
    home = week.folder / "home"
    demo = subprocess.run(
        [sys.executable, "-m", "taxi_assets.cli.demo"],
        env=week.environment(home),
        capture_output=True,
        text=True,
        check=False,
    )
    week.expect("the demo is loaded", lambda: demo.returncode == 0)
    if not REAL_FILES.is_dir():
        say("  the rest is left out: real TLC files are not on this machine")
        return
    source = str(REAL_FILES)
    mixed = week.taxi("run", "green", "2022-01", home=home / "demo", source=source)
    week.expect(
        "a real month is refused in the demo's home",
        lambda: mixed.returncode != 0 and "do not mix" in mixed.stdout + mixed.stderr,
    )
    for month in ("2022-01", "2023-02"):
        ran = week.taxi("run", "green", month, home=home, source=source)
        week.expect(f"real green {month} is loaded beside the demo", lambda code=ran.returncode: code == 0)
        odd = [line for line in ran.stdout.splitlines() if " is odd " in line]
        say("\n".join(f"       {line}" for line in odd or ["nothing is odd"]))


DAYS = (
    a_month_comes_out,
    a_truncated_file,
    an_emptied_month,
    a_killed_daemon,
    a_killed_run,
    an_interrupted_command,
    real_months,
)


@contextmanager
def begun() -> Iterator[Week]:
    """A machine that watches green, with one month published before."""
    with (
        serving() as cdn,
        webhook() as (hook, alerts),
        tempfile.TemporaryDirectory(prefix="taxi-week-") as folder,
        hurried_laptop(cdn.url, hook) as machine,
    ):
        week = Week(machine, cdn, alerts, Path(folder))
        week.publish(BASE, '"base"')
        write_zones(week.folder / "zones.csv")
        cdn.put(ZONES_PATH, (week.folder / "zones.csv").read_bytes())
        start_sensor(machine)
        until(lambda: any("watched from" in (tick["skipReason"] or "") for tick in ticks(machine)), PATIENCE)
        yield week


def main() -> int:
    """Live through the week; 1 where something did not go as it should."""
    started = time.monotonic()
    with begun() as week:
        for day in DAYS:
            say(f"{time.monotonic() - started:4.0f} s  {day.__doc__}")
            day(week)
        week.expect("two alerts came, and no other", lambda: week.subjects == [f"green {SECOND}", f"green {FIRST}"])
        week.expect("every month's newest run succeeded", week.is_loaded)
        say("\nThe alerts, in order:")
        for text in week.alerts:
            say("  " + "\n  ".join(text.splitlines()))
        say("\nAt the end, rows in Postgres and in the warehouse:")
        for month in (BASE, FIRST, SECOND, THIRD):
            say(f"  green {month}: {week.rows(month)}, runs: {', '.join(week.status(month))}")
    failed = [what for what, went in week.held.items() if not went]
    right, seconds = len(week.held) - len(failed), time.monotonic() - started
    say(f"\n{right} of {len(week.held)} went as they should in {seconds:.0f} s")
    return 1 if failed else 0


def say(text: str) -> None:
    """Print it at once."""
    print(text, flush=True)  # noqa: T201 - it is what the command is for


if __name__ == "__main__":
    sys.exit(main())
