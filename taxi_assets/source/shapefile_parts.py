"""Members of a zipped shapefile."""

from pathlib import PurePosixPath
from zipfile import ZipFile

SHAPEFILE_PARTS = (".shp", ".shx", ".dbf")  # geometries, their index, and the attribute table


def shapefile_parts(archive: ZipFile) -> dict[str, str]:
    """Suffix -> name of that member; macOS's resource forks (`__MACOSX/`) are skipped."""
    names = (name for name in archive.namelist() if not name.startswith("__MACOSX/"))
    return {PurePosixPath(name).suffix: name for name in names if PurePosixPath(name).suffix in SHAPEFILE_PARTS}
