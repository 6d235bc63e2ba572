"""The network of stations. It is made up, so that the example runs anywhere; yours would ask an API here."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import dagster as dg
import pandas as pd

ELEVATION_M = {"EWR": 5, "JFK": 4, "LGA": 6}
EVERY = timedelta(minutes=20)
WITH_WIND, WITH_TENTHS = 2, 3  # the versions of the firmware that brought these


class StationNetwork(dg.ConfigurableResource[None]):
    """What the stations have measured, by the version of their firmware.

    Version 1 counts rain in whole millimetres, version 2 measures the wind too, version 3 has tenths of millimetres.
    """

    firmware: int = 1
    correction: float = 0.0  # degrees, for all thermometers

    def hour(self, start: datetime) -> pd.DataFrame:
        """The readings of an hour: three for each station."""
        times = [start + number * EVERY for number in range(3)]
        return pd.DataFrame([self._reading(station, time) for time in times for station in ELEVATION_M]).astype(
            {} if self.firmware >= WITH_TENTHS else {"rain_mm": "int16"}
        )

    def _reading(self, station: str, time: datetime) -> dict[str, Any]:
        tenths = (7 * time.hour + time.minute) % 30
        reading: dict[str, Any] = {
            "station": station,
            "measured_at": time,
            "celsius": 10 + time.hour / 2 + time.minute / 60 + ELEVATION_M[station] + self.correction,
            "rain_mm": Decimal(tenths) / 10 if self.firmware >= WITH_TENTHS else tenths // 10,
        }
        if self.firmware >= WITH_WIND:
            reading["wind_kmh"] = 5.0 + time.hour
        return reading
