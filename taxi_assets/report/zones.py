"""What is known of the zones: from the lake, and where that has no shapes, from the source."""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from taxi_assets.catalog import SHAPES_FILE, SHAPES_NAME, ZONES_FILE, ZONES_TABLE
from taxi_assets.errors import BadFile, NotPublished, SliceMissing, SourceUnavailable
from taxi_assets.report.pictures import Zones
from taxi_assets.report.shapes import ZoneShapes, read_shapes
from taxi_assets.source import Source, fetch_zone_shapes

if TYPE_CHECKING:
    from taxi_assets.stores.lake import Lake


def find_zones(lake: "Lake", source: Source, folder: Path) -> Zones:
    """The zones' names and shapes, as far as anybody has them: a page without a map is better than none.

    Args:
        lake: looked at first.
        source: asked for the shapes where the lake has none.
        folder: where to put what the source sends.
    """
    shapes = _shapes(lake, source, folder)
    return Zones(_names(lake) or (shapes.names if shapes else {}), shapes)


def _shapes(lake: "Lake", source: Source, folder: Path) -> ZoneShapes | None:
    try:
        return read_shapes(lake.get_file(f"raw/{SHAPES_NAME}", SHAPES_FILE).path)
    except SliceMissing:
        try:
            return read_shapes(fetch_zone_shapes(source, folder).path)
        except (NotPublished, SourceUnavailable, BadFile):
            return None


def _names(lake: "Lake") -> Mapping[int, str]:
    try:
        path = lake.get_file(f"raw/{ZONES_TABLE}", ZONES_FILE).path
    except SliceMissing:
        return {}
    with path.open(encoding="utf-8-sig", newline="") as file:
        return {int(row["LocationID"]): _name(row["Zone"], row["Borough"]) for row in csv.DictReader(file)}


def _name(*parts: str) -> str:
    return ", ".join(part for part in parts if part != "N/A")
