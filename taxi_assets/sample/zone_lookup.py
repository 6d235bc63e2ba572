"""Synthetic zone lookup: TLC's header, quoting and ids, with zone names that label it as synthetic."""

import csv
from pathlib import Path

from taxi_assets.catalog import LAST_ZONE, ZONES_HEADER
from taxi_assets.source.synthetic import SYNTHETIC_ZONE_NAME

AIRPORTS = (132, 138)

_BOROUGHS = ("Manhattan", "Bronx", "Brooklyn", "Queens", "Staten Island")
_NAMED = {
    1: ("EWR", "Newark Airport", "EWR"),
    2: ("Queens", "O'Neill Corner/Old Mill", "Boro Zone"),
    3: ("Bronx", "Café Row", "Boro Zone"),
    132: ("Queens", "JFK Airport", "Airports"),
    138: ("Queens", "LaGuardia Airport", "Airports"),
    264: ("Unknown", "N/A", "N/A"),
    LAST_ZONE: ("N/A", "Outside of NYC", "N/A"),
}


def write_zones(path: Path) -> None:
    """Write the lookup as CSV with TLC's quoting and line endings."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_NONNUMERIC)
        writer.writerow(ZONES_HEADER)
        writer.writerows((zone, *zone_names(zone)) for zone in range(1, LAST_ZONE + 1))


def zone_names(zone: int) -> tuple[str, str, str]:
    """The zone's borough, name and service zone."""
    if zone in _NAMED:
        return _NAMED[zone]
    borough = _BOROUGHS[zone % len(_BOROUGHS)]
    return borough, f"{SYNTHETIC_ZONE_NAME} {zone}", "Yellow Zone" if borough == "Manhattan" else "Boro Zone"
