"""Verification that a file is complete and of its kind; the error says what it is instead, and what to do."""

import csv
import os
import zipfile
import zlib
from pathlib import Path

from taxi_assets.catalog import ZONES_HEADER
from taxi_assets.errors import BadFile
from taxi_assets.source.column_chunks import verify_column_chunks
from taxi_assets.source.file_signatures import describe_wrong_file
from taxi_assets.source.shapefile_parts import SHAPEFILE_PARTS, shapefile_parts

_MAGIC = b"PAR1"
_ZIP = b"PK"
# zipfile raises RuntimeError for an encrypted member, and its subclass NotImplementedError for an unknown compression.
_ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError)
_DBF_RECORD_COUNT = slice(4, 8)  # bytes of a .dbf header
_FOOTER_TAIL_BYTES = 8  # the footer's length in 4 bytes, then the magic number


def verify_parquet(path: Path) -> int:
    """Verify a Parquet file, by one read of every page, and return the row count of its footer.

    Raises:
        BadFile: the file is not Parquet, truncated or damaged; the text says what it is and what to do.
    """
    with path.open("rb") as file:
        head = file.read(len(_MAGIC))
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - len(_MAGIC)))
        foot = file.read()
    if head != _MAGIC:
        raise BadFile(describe_wrong_file(path, "a readable Parquet file"))
    if foot != _MAGIC:
        raise BadFile(f"{path.name} is cut short: {size:,} bytes of Parquet without their end; fetch it again")
    return _rows(path, size)


def _rows(path: Path, size: int) -> int:
    # Imported here: code locations load the definitions far more often than they fetch a file.
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            metadata = file.metadata
        names = [metadata.schema.column(index).path for index in range(metadata.num_columns)]
        verify_column_chunks(path, metadata, names, size - metadata.serialized_size - _FOOTER_TAIL_BYTES)
    except UnicodeDecodeError as error:
        raise BadFile(
            f"{path.name} has a column whose name is not UTF-8, {error.object!r}; fetch it again, and where that gives"
            " the same file, take it from another source"
        ) from error
    except (pa.ArrowException, OSError) as error:
        raise BadFile(f"{path.name} has a Parquet footer that cannot be read ({error}); fetch it again") from error
    return int(metadata.num_rows)


def verify_zones(path: Path) -> int:
    """Verify a zone lookup (CSV) and return the number of its rows, without the header.

    Raises:
        BadFile: another header, no row, or a row that is not an id and three strings.
    """
    rows = 0
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = csv.reader(file, strict=True)
            if tuple(next(lines, ())) != ZONES_HEADER:
                raise BadFile(describe_wrong_file(path, f"the zone lookup ({','.join(ZONES_HEADER)})"))
            for row in lines:
                rows += 1
                if len(row) != len(ZONES_HEADER) or not row[0].isdecimal():
                    raise BadFile(f"{path.name} is damaged: row {rows} is {','.join(row)!r}; fetch it again")
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadFile(f"{path.name} is cut short or damaged ({error}); fetch it again") from error
    if not rows:
        raise BadFile(f"{path.name} has a header and no row; fetch it again")
    return rows


def verify_shapes(path: Path) -> int:
    """Verify a zipped shapefile, including the CRC of every member, and return its table's record count.

    Raises:
        BadFile: the file is not a zip archive, truncated or damaged, or has no complete shapefile in it.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            damaged, parts = archive.testzip(), shapefile_parts(archive)
            table = archive.read(parts[".dbf"]) if damaged is None and len(parts) == len(SHAPEFILE_PARTS) else None
    except _ZIP_ERRORS as error:
        with path.open("rb") as file:
            if file.read(len(_ZIP)) != _ZIP:
                raise BadFile(describe_wrong_file(path, "a zipped shapefile")) from error
        raise BadFile(f"{path.name} is cut short or damaged ({error}); fetch it again") from error
    if damaged is not None:
        raise BadFile(f"{path.name} is damaged: {damaged} has another checksum than it should; fetch it again")
    if table is None:
        raise BadFile(
            f"{path.name} has no whole shapefile ({', '.join(SHAPEFILE_PARTS)}) in it; check the source's address"
        )
    return int.from_bytes(table[_DBF_RECORD_COUNT], "little")
