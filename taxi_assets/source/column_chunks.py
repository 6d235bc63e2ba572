"""Verification of every column chunk of a Parquet file against its checksums and its footer's statistics.

DuckDB verifies neither gzip's CRC nor the optional CRC of Parquet pages, and evaluates predicates by the footer's
statistics alone where they suffice. Arrow therefore decompresses and decodes each page once, which verifies both CRCs,
and the decoded values are compared with the footer. Nested columns are decoded only: TLC has none.
"""

import math
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from taxi_assets.errors import BadFile

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

_BATCH_ROWS = 1 << 16
_BUFFER = 1 << 20
_THREADS = 4


def verify_column_chunks(path: Path, metadata: "pq.FileMetaData", names: Sequence[str], data_end: int) -> None:
    """Decode every page once and compare the values with the file's checksums and statistics.

    A column is read in batches of 65,536 rows, so that the memory does not grow with the row group: it may have all
    20,000,000 rows of a file. Columns with the same name are skipped, since Arrow selects columns by name; cleaning
    refuses such files.

    Args:
        path: the file.
        metadata: its footer.
        names: the paths of its columns in the schema, in order.
        data_end: byte offset of the footer; every page ends before it.

    Raises:
        BadFile: a page cannot be decoded, a checksum differs, or the statistics are not those of the values; the text
            names the column.
    """
    times = Counter(names)
    chunks = [
        (group, index, name)
        for group in range(metadata.num_row_groups)
        for index, name in enumerate(names)
        if times[name] == 1
    ]
    with ThreadPoolExecutor(min(os.cpu_count() or 1, _THREADS)) as pool:
        reads = [pool.submit(_verify_chunk, path, metadata, data_end, chunk) for chunk in chunks]
        try:
            for read in reads:
                read.result()
        finally:
            for read in reads:
                read.cancel()


def _verify_chunk(path: Path, metadata: "pq.FileMetaData", data_end: int, location: tuple[int, int, str]) -> None:
    import pyarrow as pa

    group, index, name = location
    actual = _ChunkValues()
    try:
        for values in _batches(path, metadata, group, name):
            actual.add(values)
        # After the read, which raises an error for damaged metadata: pyarrow's accessors abort the process for them.
        row_group = metadata.row_group(group)
        chunk = row_group.column(index)
        difference = actual.difference(row_group.num_rows, chunk.statistics)
    except (pa.ArrowException, OSError, ValueError) as error:  # ValueError: a string is not UTF-8
        first_line = (str(error).splitlines() or [type(error).__name__])[0]
        raise BadFile(f"{path.name} is damaged: column {name} cannot be read ({first_line}); fetch it again") from error
    start = chunk.dictionary_page_offset or chunk.data_page_offset
    if chunk.path_in_schema != name:
        difference = f"another name, {chunk.path_in_schema}, elsewhere in the footer"
    elif not start <= start + chunk.total_compressed_size <= data_end:
        difference = "pages where the footer is"
    if difference is not None:
        raise BadFile(
            f"{path.name} contradicts itself: column {name} has {difference}; fetch it again, and where that gives"
            " the same file, take it from another source"
        )


def _batches(path: Path, metadata: "pq.FileMetaData", group: int, name: str) -> Iterator["pa.Array"]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(
        path, metadata=metadata, buffer_size=_BUFFER, pre_buffer=False, page_checksum_verification=True
    ) as file:
        for batch in file.iter_batches(_BATCH_ROWS, row_groups=[group], columns=[name], use_threads=False):
            yield batch.column(0)


class _ChunkValues:
    """Row count, null count, minimum and maximum of a column chunk's decoded values."""

    def __init__(self) -> None:
        self._rows = self._nulls = 0
        self._min: Any = None
        self._max: Any = None
        self._is_nested = False

    def add(self, values: "pa.Array") -> None:
        """Add a batch of values."""
        import pyarrow as pa
        import pyarrow.compute as pc

        self._rows += len(values)
        self._nulls += values.null_count
        self._is_nested = pa.types.is_nested(values.type)
        if pa.types.is_dictionary(values.type):
            values = values.dictionary_decode()
        if values.null_count == len(values) or not _has_range(values.type):
            return
        ends = pc.min_max(values)
        minimum, maximum = _comparable(ends["min"]), _comparable(ends["max"])
        if not (isinstance(minimum, float) and math.isnan(minimum)):  # all values are NaN
            self._min = minimum if self._min is None else min(self._min, minimum)
            self._max = maximum if self._max is None else max(self._max, maximum)

    def difference(self, rows: int, statistics: "pq.Statistics | None") -> str | None:
        """A clause that names the first difference from the footer; None where they agree."""
        if self._rows != rows:
            return f"{self._rows:,} rows, and by its footer {rows:,}"
        if statistics is None or self._is_nested:
            return None
        if statistics.has_null_count and statistics.null_count != self._nulls:
            return f"{self._nulls:,} rows without a value, and by its footer {statistics.null_count:,}"
        if self._min is None or not statistics.has_min_max:
            return None
        footer_min, footer_max = _footer_range(statistics)
        if _matches(self._min, self._max, footer_min, footer_max):
            return None
        return f"values from {self._min!r} to {self._max!r}, and by its footer from {footer_min!r} to {footer_max!r}"


def _has_range(kind: "pa.DataType") -> bool:
    """Whether Arrow computes minimum and maximum of this type."""
    from pyarrow import types

    return any(
        is_kind(kind)
        for is_kind in (
            types.is_integer,
            types.is_float32,
            types.is_float64,
            types.is_boolean,
            types.is_decimal,
            types.is_timestamp,
            types.is_date32,
            types.is_time,
            types.is_string,
            types.is_large_string,
            types.is_binary,
            types.is_large_binary,
        )
    )


def _comparable(value: "pa.Scalar") -> Any:
    """The value in the form of the footer's statistics: temporal types as integers, strings as bytes."""
    import pyarrow as pa
    from pyarrow import types

    if types.is_temporal(value.type):
        return value.cast(pa.int32() if value.type.bit_width == 32 else pa.int64()).as_py()  # noqa: PLR2004
    if isinstance(value, pa.BinaryScalar):
        return value.as_buffer().to_pybytes()
    return value.as_py()


def _footer_range(statistics: "pq.Statistics") -> tuple[Any, Any]:
    logical = statistics.logical_type.type
    if statistics.physical_type == "BYTE_ARRAY" or logical in ("TIMESTAMP", "TIME", "DATE"):
        return statistics.min_raw, statistics.max_raw
    return statistics.min, statistics.max


def _matches(minimum: Any, maximum: Any, footer_min: Any, footer_max: Any) -> bool:
    """Whether the values' range is the footer's; for strings, which writers may truncate, whether it lies within."""
    if isinstance(minimum, bytes):
        return bool(footer_min <= minimum and maximum <= footer_max)
    return bool(footer_min == minimum and footer_max == maximum)
