"""Synthetic zone shapes: a zipped shapefile with TLC's fields, missing and repeated zones, and generated polygons."""

import io
import math
import zipfile
from collections.abc import Iterator
from pathlib import Path

from taxi_assets.catalog import LAST_ZONE
from taxi_assets.sample.zone_lookup import zone_names
from taxi_assets.source.synthetic import SYNTHETIC_NOTICE

_ZONES_WITHOUT_SHAPE = (57, 104, 105, 264, 265)  # as in TLC's file
_SHAPES_OF_ZONE = {56: 2, 103: 3}  # as in TLC's file: one record per island
_COLUMNS = 18
_LEFT, _BOTTOM, _SIDE = 913_000.0, 120_000.0, 9_000.0  # feet (EPSG:2263), over New York
_CORNER_OFFSET = 0.28  # maximum offset of a corner from the regular grid, as a share of a side
_ZIP_DATE = (1980, 1, 1, 0, 0, 0)  # constant, so that the bytes are always the same
_DBF_DATE = slice(1, 4)


def write_zone_shapes(path: Path) -> None:
    """Write the zipped shapefile, always the same bytes; neighbouring polygons share their borders."""
    import shapefile

    parts = {suffix: io.BytesIO() for suffix in ("shp", "shx", "dbf")}
    with shapefile.Writer(**parts, shapeType=shapefile.POLYGON) as writer:
        for name, kind, size, digits in (("OBJECTID", "N", 9, 0), ("zone", "C", 254, 0), ("LocationID", "N", 4, 0)):
            writer.field(name, kind, size=size, decimal=digits)
        writer.field("borough", "C", size=254)
        for place, zone in enumerate(_zones()):
            borough, name, _ = zone_names(zone)
            writer.poly([_outline(*divmod(place, _COLUMNS))])
            writer.record(place + 1, name, zone, borough)
    with zipfile.ZipFile(path, "w") as archive:
        archive.comment = SYNTHETIC_NOTICE.encode()
        for suffix, part in parts.items():
            body = bytearray(part.getvalue())
            if suffix == "dbf":
                body[_DBF_DATE] = bytes(len(body[_DBF_DATE]))
            archive.writestr(zipfile.ZipInfo(f"taxi_zones/taxi_zones.{suffix}", _ZIP_DATE), bytes(body))


def _zones() -> Iterator[int]:
    for zone in range(1, LAST_ZONE + 1):
        if zone not in _ZONES_WITHOUT_SHAPE:
            yield from [zone] * _SHAPES_OF_ZONE.get(zone, 1)


def _outline(row: int, column: int) -> list[tuple[float, float]]:
    corners = ((0, 0), (0, 1), (1, 1), (1, 0), (0, 0))
    return [_corner(row + up, column + right) for right, up in corners]


def _corner(row: int, column: int) -> tuple[float, float]:
    sway_right, sway_up = math.sin(12.9 * row + 78.2 * column), math.sin(39.3 * row + 11.1 * column)
    return _LEFT + _SIDE * (column + _CORNER_OFFSET * sway_right), _BOTTOM + _SIDE * (row + _CORNER_OFFSET * sway_up)
