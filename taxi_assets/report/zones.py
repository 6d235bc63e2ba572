"""What is known of the zones: from the lake, and where that has no shapes, from the source."""

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
    """The zones' names and shapes, as far as anybody has them: a page without a map is better than none.

    Args:
        lake: looked at first.
        source: asked for the shapes where the lake has none that can be read.
        folder: where to put what the source sends.
        synthetic: whether the trips are, so that zones of the other kind are left out; None where that is all one.
        warn: is told which file of the lake is damaged.
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
    except (KeyError, TypeError, ValueError, csv.Error) as error:  # a text that is no number, or not UTF-8
        warn(f"{path} is damaged ({error!r}): taxi run zones")
        return {}


def _name(*parts: str) -> str:
    return ", ".join(part for part in parts if part != "N/A")
