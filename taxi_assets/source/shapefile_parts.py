"""What a zipped shapefile consists of."""

from pathlib import PurePosixPath
from zipfile import ZipFile

SHAPEFILE_PARTS = (".shp", ".shx", ".dbf")  # the outlines, where each begins, and the table of what they are


def shapefile_parts(archive: ZipFile) -> dict[str, str]:
    """Suffix -> the name of that part in the archive; macOS's own hidden files are none."""
    names = (name for name in archive.namelist() if not name.startswith("__MACOSX/"))
    return {PurePosixPath(name).suffix: name for name in names if PurePosixPath(name).suffix in SHAPEFILE_PARTS}
