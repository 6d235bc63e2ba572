"""The project in examples/weather, copied outside the checkout and run with each store; SQL says what is there."""

import ast
import subprocess
import sys
from itertools import groupby
from pathlib import Path

import pytest

import taxi_assets.io_managers
import taxi_assets.resources

from .places import Place, Row
from .runs import MEASURED, STATIONS, Runs, hour, hours, key_of, measured


def summarized(rows: list[Row]) -> list[Row]:
    """The readings by day and station."""

    def key(row: Row) -> tuple[object, str]:
        return row["measured_at"].date(), row["station"]

    found = []
    for (day, station), group in groupby(sorted(rows, key=key), key):
        readings = list(group)
        summary: Row = {"day": day, "station": station, "readings": len(readings)}
        summary["mean_celsius"] = pytest.approx(sum(row["celsius"].expected for row in readings) / len(readings))
        summary["rain_mm"] = sum(row["rain_mm"] for row in readings)
        summary["max_wind_kmh"] = max((row["wind_kmh"] for row in readings if "wind_kmh" in row), default=None)
        found.append({**summary, "elevation_m": dict(STATIONS)[station]})
    return found


def test_hours_are_replaced_one_by_one_and_in_one_run(materialize: Runs, place: Place) -> None:
    for first, last, correction in ((22, 25, 0.0), (23, 23, 0.5), (23, 24, 1.5)):
        run = hours(hour(1, 0), hour(2, 1))[first : last + 1]
        materialize("readings", key_of(run[0]), key_of(run[-1]), correction=correction)
        wanted = [measured(at, correction=correction * (at in run)) for at in hours(hour(1, 22), hour(2, 1))]
        assert place.query(MEASURED) == [row for rows in wanted for row in rows]


def test_a_new_column_and_a_wider_one_change_no_earlier_hour(materialize: Runs, place: Place) -> None:
    wanted = []
    for firmware, start in enumerate(hours(hour(1, 22), hour(2, 0)), start=1):
        materialize("readings", key_of(start), firmware=firmware)
        wanted += [{"wind_kmh": None, **row} for row in measured(start, firmware)]
    assert place.query(MEASURED.replace("rain_mm", "rain_mm, wind_kmh")) == wanted


@pytest.mark.slow
def test_days_are_summed_up_from_hours_and_stations(materialize: Runs, place: Place) -> None:
    materialize("stations", "EWR", "LGA")
    found = place.query("SELECT station, elevation_m FROM {stations} ORDER BY station")
    assert [tuple(row.values()) for row in found] == STATIONS
    materialize("readings", "2024-06-01-22:00", "2024-06-01-23:00")
    materialize("daily_summary", "2024-06-01")
    materialize("readings", "2024-06-02-00:00", "2024-06-02-01:00", firmware=3)
    materialize("daily_summary", "2024-06-01", "2024-06-02")
    readings = [row for at in hours(hour(1, 22), hour(2, 1)) for row in measured(at, 3 if at >= hour(2, 0) else 1)]
    wanted = summarized(readings)
    assert [row["day"].day for row in wanted] == [1, 1, 1, 2, 2, 2]
    assert place.query(f"SELECT {', '.join(wanted[0])} FROM {{daily_summary}} ORDER BY day, station") == wanted


def test_it_imports_only_what_the_io_managers_offer(project: Path) -> None:
    offered = {
        "taxi_assets.io_managers": set(taxi_assets.io_managers.__all__),
        "taxi_assets.resources": set(taxi_assets.resources.__all__),
        "taxi_assets.resources.google_cloud": {"BigQueryResource", "GCSResource"},
    }
    sources = [path.read_text() for path in project.rglob("*.py")]
    taken = {
        (node.module, alias.name)
        for source in sources
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("taxi_assets")
        for alias in node.names
    }
    assert taken
    assert all(name in offered[str(module)] for module, name in taken)
    assert not any("import taxi_assets" in source for source in sources)


def test_it_loads_without_the_taxis_and_without_what_it_does_not_use(project: Path) -> None:
    program = (
        "import sys, weather.definitions; weather.definitions.defs(); print(*(name for name in sys.modules if name in "
        "('google.cloud', 'psycopg', 'pytest') or name.startswith(('taxi_assets.catalog', 'taxi_assets.assets', "
        "'taxi_assets.definitions', 'taxi_assets.cleaning', 'taxi_assets.source', 'taxi_assets_tests'))))"
    )
    command = [sys.executable, "-W", "ignore", "-c", program]
    assert subprocess.run(command, cwd=project, check=True, capture_output=True, text=True).stdout.strip() == ""
