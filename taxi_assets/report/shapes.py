"""Zone outlines from TLC's zipped shapefile, simplified for an SVG map."""

import io
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from taxi_assets.errors import BadFile
from taxi_assets.source.shapefile_parts import shapefile_parts

_FEET = 350  # grid size to which corners are snapped: about a pixel of the map
_CORNERS = 3  # minimum of a polygon with an area

Point = tuple[int, int]


@dataclass(frozen=True)
class ZoneShapes:
    """A map of the zones, in units of `_FEET`; y grows to the south.

    Attributes:
        width: of the whole map.
        height: of the whole map.
        outlines: zone -> outline as the attribute `d` of an SVG path.
        names: zone -> name and borough from the shapefile.
    """

    width: int
    height: int
    outlines: Mapping[int, str]
    names: Mapping[int, str]


def read_shapes(path: Path) -> ZoneShapes:
    """The shapes in a zipped shapefile with coordinates in feet (EPSG:2263), as TLC's has.

    Raises:
        BadFile: the shapefile cannot be read, or has no zones.
    """
    import shapefile

    try:
        with zipfile.ZipFile(path) as archive:
            parts = {suffix[1:]: io.BytesIO(archive.read(name)) for suffix, name in shapefile_parts(archive).items()}
        with shapefile.Reader(**parts) as reader:
            left, _, _, top = reader.bbox
            outlines: dict[int, str] = {}
            names: dict[int, str] = {}
            for found in reader.iterShapeRecords():
                zone = int(found.record["LocationID"])
                rings = _rings(found.shape.points, found.shape.parts)
                # A zone with several islands has a record for each.
                outlines[zone] = outlines.get(zone, "") + "".join(_path(ring, left, top) for ring in rings)
                names[zone] = f"{found.record['zone']}, {found.record['borough']}"
            width, height = (round((reader.bbox[far] - reader.bbox[near]) / _FEET) for near, far in ((0, 2), (1, 3)))
    except (zipfile.BadZipFile, shapefile.ShapefileException, IndexError, KeyError, TypeError, ValueError) as error:
        raise BadFile(f"{path.name} has no zones that can be drawn ({error!r}); fetch it again") from error
    return ZoneShapes(width, height, outlines, names)


def _rings(points: list[tuple[float, float]], starts: Iterable[int]) -> Iterator[list[tuple[float, float]]]:
    bounds = [*starts, len(points)]
    return (points[start:end] for start, end in pairwise(bounds))


def _path(ring: list[tuple[float, float]], left: float, top: float) -> str:
    """The ring as a closed SVG path of integer steps, without duplicate and collinear corners."""
    corners: list[Point] = []
    for corner in [(int((x - left) / _FEET), int((top - y) / _FEET)) for x, y in ring]:
        if corners and corner == corners[-1]:
            continue
        while len(corners) > 1 and _straight(corners[-2], corners[-1], corner):
            corners.pop()
        corners.append(corner)
    if len(set(corners)) < _CORNERS:
        return ""
    steps = (f"{x - from_x} {y - from_y}" for (from_x, from_y), (x, y) in pairwise(corners[:-1]))
    return f"M{corners[0][0]} {corners[0][1]}l{' '.join(steps)}z".replace(" -", "-")


def _straight(first: Point, middle: Point, last: Point) -> bool:
    (x, y), (next_x, next_y), (last_x, last_y) = first, middle, last
    return (next_x - x) * (last_y - next_y) == (next_y - y) * (last_x - next_x)
