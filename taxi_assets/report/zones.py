"""Zone names and shapes for a page: from the lake, and shapes from the source where the lake has none."""

import csv
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from taxi_assets.catalog import SHAPES_FILE, ZONES_FILE, ZoneLayer, zones_path
from taxi_assets.errors import BadFile, NotPublished, SliceDamaged, SliceMissing, SourceUnavailable
from taxi_assets.report.sections import Zones
from taxi_assets.report.shapes import ZoneShapes, read_shapes
from taxi_assets.source import Source, fetch_zone_shapes
from taxi_assets.source.synthetic import is_synthetic

if TYPE_CHECKING:
    from taxi_assets.stores.lake import Lake


logger = logging.getLogger(__name__)


def find_zones(
    lake: "Lake",
    source: Source,
    folder: Path,
    *,
    synthetic: bool | None = None,
    warn: Callable[[str], object] = logger.warning,
) -> Zones:
    """The zones' names and shapes as far as they are available; missing ones raise no error.

    Args:
        lake: read first.
        source: read for shapes that the lake lacks or has damaged.
        folder: a folder for the file from the source.
        synthetic: whether the trips are synthetic; zones of the other kind are left out. None: use either kind.
        warn: logs a warning about a damaged file in the lake.
    """
    shapes = _shapes(lake, source, folder, synthetic, warn)
    return Zones(_names(lake, synthetic, warn) or (shapes.names if shapes else {}), shapes)


def _shapes(
    lake: "Lake", source: Source, folder: Path, synthetic: bool | None, warn: Callable[[str], object]
) -> ZoneShapes | None:
    try:
        path = lake.get_file(zones_path(ZoneLayer.SHAPES), SHAPES_FILE).path
        shapes = read_shapes(path)
        if synthetic in (None, is_synthetic(path)):
            return shapes
    except SliceMissing:
        pass
    except (SliceDamaged, BadFile) as error:
        warn(f"{error}: taxi run zones")
    try:
        path = fetch_zone_shapes(source, folder).path
        return read_shapes(path) if synthetic in (None, is_synthetic(path)) else None
    except (NotPublished, SourceUnavailable, BadFile):
        return None


def _names(lake: "Lake", synthetic: bool | None, warn: Callable[[str], object]) -> Mapping[int, str]:
    try:
        path = lake.get_file(zones_path(ZoneLayer.RAW), ZONES_FILE).path
    except SliceMissing:
        return {}
    except SliceDamaged as error:
        warn(f"{error}: taxi run zones")
        return {}
    if synthetic not in (None, is_synthetic(path)):
        return {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return {int(row["LocationID"]): _name(row["Zone"], row["Borough"]) for row in csv.DictReader(file)}
    except (KeyError, TypeError, ValueError, csv.Error) as error:  # ValueError: not a number, or not UTF-8
        warn(f"{path} is damaged ({error!r}): taxi run zones")
        return {}


def _name(*parts: str) -> str:
    return ", ".join(part for part in parts if part != "N/A")
