"""Frames of other libraries to rows and back, by name, so that none of them is imported unless it is used.

pandas, pyarrow (Table, RecordBatch, RecordBatchReader) and Polars (DataFrame, LazyFrame) go in and out; anything else
that exports an Arrow stream by `__arrow_c_stream__`, as a DuckDB relation does, goes in.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa

from taxi_assets.extras import is_installed
from taxi_assets.stores.rows import Rows

_TAKEN = "a pandas or Polars frame, a pyarrow Table, RecordBatch or RecordBatchReader, an Arrow stream, or Rows"
_ANNOTATE = (
    "annotate the input as pandas.DataFrame, polars.DataFrame, polars.LazyFrame, pyarrow.Table, "
    "pyarrow.RecordBatchReader or Rows"
)


def as_rows(value: Any) -> Rows:
    """The output of an asset as rows; a lazy frame is computed while a store reads them.

    Raises:
        TypeError: the value has another type.
    """
    known = _AS_ROWS.get(_type_name(type(value)))
    if known is not None:
        return known(value)
    if hasattr(value, "__arrow_c_stream__") and not isinstance(value, pa.ChunkedArray):
        return _from_stream(value)
    raise TypeError(f"cannot store a {type(value).__name__}: return {_TAKEN}")


def from_rows(rows: Rows, wanted: object) -> Any:
    """The rows in the annotated type of an input, by default a pandas DataFrame.

    Raises:
        TypeError: the annotation is another type.
    """
    if wanted in (None, Any, type(None)):
        if not is_installed("pandas"):
            raise TypeError(f"pandas is not installed, and an input without an annotation needs it: {_ANNOTATE}")
        return rows.to_pandas()
    known = _FROM_ROWS.get(_type_name(wanted))
    if known is None:
        raise TypeError(f"cannot load rows as {wanted}: {_ANNOTATE}")
    return known(rows)


def _from_reader(reader: pa.RecordBatchReader) -> Rows:
    """The rows of a stream that can be read once: kept from the first reading on, for any later one."""
    kept: list[pa.RecordBatch] = []
    is_open = False

    def open_batches() -> Iterator[pa.RecordBatch]:
        nonlocal is_open
        if not is_open:
            is_open = True
            kept.extend(reader)
        return iter(kept)

    return Rows(reader.schema, open_batches)


def _from_stream(value: Any) -> Rows:
    return Rows(pa.RecordBatchReader.from_stream(value).schema, lambda: iter(pa.RecordBatchReader.from_stream(value)))


def _from_polars(frame: Any) -> Rows:
    def collected() -> Any:
        return frame.collect(engine="streaming")

    schema = frame.collect_schema().to_frame()
    return Rows(pa.RecordBatchReader.from_stream(schema).schema, lambda: pa.RecordBatchReader.from_stream(collected()))


def _to_polars(rows: Rows) -> Any:
    import polars as pl

    return pl.from_arrow(rows.to_table())


def _to_lazy_polars(rows: Rows) -> Any:
    import polars as pl
    from polars.io.plugins import register_io_source

    def frames(
        columns: list[str] | None, predicate: Any, limit: int | None, _batch_rows: int | None
    ) -> "Iterator[pl.DataFrame]":
        left = limit
        for batch in rows.batches():
            frame = pl.DataFrame(batch)
            if columns is not None:
                frame = frame.select(columns)
            if predicate is not None:
                frame = frame.filter(predicate)
            if left is not None:
                frame = frame.head(left)
                left -= frame.height
            yield frame
            if left == 0:
                return

    empty: Callable[[], Any] = rows.schema.empty_table
    return register_io_source(frames, schema=pl.DataFrame(empty()).schema)


def _type_name(kind: object) -> str:
    # By name, since importing pandas takes longer than loading all definitions.
    module = getattr(kind, "__module__", "")
    return f"{module.partition('.')[0]}.{getattr(kind, '__name__', '')}"


_AS_ROWS: dict[str, Callable[[Any], Rows]] = {
    "taxi_assets.Rows": lambda rows: rows,
    "pyarrow.Table": Rows.from_table,
    "pyarrow.RecordBatch": lambda batch: Rows.from_table(pa.Table.from_batches([batch])),
    "pyarrow.RecordBatchReader": _from_reader,
    "pandas.DataFrame": Rows.from_pandas,
    "polars.LazyFrame": _from_polars,
}
_FROM_ROWS: dict[str, Callable[[Rows], Any]] = {
    "taxi_assets.Rows": lambda rows: rows,
    "pyarrow.Table": Rows.to_table,
    "pyarrow.RecordBatchReader": Rows.reader,
    "pandas.DataFrame": Rows.to_pandas,
    "polars.DataFrame": _to_polars,
    "polars.LazyFrame": _to_lazy_polars,
}
