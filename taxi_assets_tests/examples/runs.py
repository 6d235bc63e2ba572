"""Runs of the weather project, and what its stations measure, written down a second time."""

from datetime import UTC, datetime
from decimal import Decimal
from types import ModuleType
from typing import Any

import dagster as dg
import pytest

from .places import Row

STATIONS = [("EWR", 5), ("JFK", 4), ("LGA", 6)]
MEASURED = "SELECT station, measured_at, celsius, rain_mm FROM {readings} ORDER BY measured_at, station"


def hour(day: int, of_day: int) -> datetime:
    """An hour of June 2024."""
    return datetime(2024, 6, day, of_day, tzinfo=UTC)


def hours(first: datetime, last: datetime) -> list[datetime]:
    return [datetime.fromtimestamp(at, UTC) for at in range(int(first.timestamp()), int(last.timestamp()) + 1, 3600)]


def measured(start: datetime, firmware: int = 1, correction: float = 0.0) -> list[Row]:
    """The readings of an hour."""
    rows: list[Row] = []
    for minute in (0, 20, 40):
        rain = Decimal((7 * start.hour + minute) % 30) / 10
        for station, elevation in STATIONS:
            row: Row = {"station": station, "measured_at": start.replace(minute=minute)}
            row["celsius"] = pytest.approx(10 + start.hour / 2 + minute / 60 + elevation + correction)
            rows.append({**row, "rain_mm": rain if firmware == 3 else int(rain)})
            if firmware > 1:
                rows[-1]["wind_kmh"] = 5.0 + start.hour
    return rows


def key_of(start: datetime) -> str:
    return start.strftime("%Y-%m-%d-%H:%M")


class Runs:
    """Materializes assets of the project, each time in one run."""

    def __init__(self, weather: ModuleType) -> None:
        self.definitions: dg.Definitions = weather.defs()

    def __call__(self, asset: str, first: str, last: str | None = None, **network: Any) -> None:
        tags = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last or first}
        config = {"resources": {"network": {"config": network}}} if network else {}
        job = self.definitions.resolve_implicit_global_asset_job_def()
        selected = [dg.AssetKey(asset)]
        with dg.DagsterInstance.ephemeral() as instance:
            assert job.execute_in_process(config, instance, asset_selection=selected, tags=tags).success
