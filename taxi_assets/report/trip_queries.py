"""DuckDB access to a month's rows in bounded memory, and SQL expressions that several reports use."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb

from taxi_assets.catalog import Dataset
from taxi_assets.errors import StoreUnavailable
from taxi_assets.stores.duckdb.engine import is_disk_full, query_config
from taxi_assets.stores.duckdb.sql import in_files, quoted
from taxi_assets.stores.os_errors import damaged
from taxi_assets.stores.rows import Rows

# Rounded down, so that a drop-off half a second before the pickup is not a duration of 0. BIGINT, since with some rules
# off the times may be centuries apart.
DURATION_SECONDS = "CAST(floor((epoch_us(dropoff_datetime) - epoch_us(pickup_datetime)) / 1000000) AS BIGINT)"

# DuckDB's errors of a wrong query; for a damaged file it raises other classes, the base class `Error` included.
_QUERY_ERRORS = (
    duckdb.BinderException,
    duckdb.CatalogException,
    duckdb.ConversionException,
    duckdb.OutOfRangeException,
    duckdb.ParserException,
)


@contextmanager
def open_rows(rows: Rows, scratch: Path, columns: Sequence[str] | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB connection with the rows as relation `rows`: a view of their files, or a table of a stream.

    Args:
        rows: the rows.
        scratch: a folder for DuckDB's temporary files.
        columns: the columns to keep of a stream; None for all.

    Raises:
        StoreUnavailable: memory and the scratch folder's disk are full.
        SliceDamaged: a file with the rows cannot be read; the text names it.
    """
    files = in_files(rows)
    try:
        with duckdb.connect(config=query_config(scratch)) as connection:
            connection.execute("SET GLOBAL TimeZone = 'UTC'")
            if files:
                connection.execute(f"CREATE VIEW rows AS FROM {files}")
            else:
                connection.register("stream", rows.reader())
                connection.execute(f"CREATE TABLE rows AS SELECT {_select_list(columns)} FROM stream")
            yield connection
    except duckdb.OutOfMemoryException as error:
        raise StoreUnavailable(
            f"not enough memory or scratch space to sum up the month: make room in {scratch}, run it again"
        ) from error
    except duckdb.Error as error:
        if is_disk_full(error):
            raise StoreUnavailable(
                f"no space left in {scratch} to sum up the month: make room, run it again"
            ) from error
        if files is None or isinstance(error, _QUERY_ERRORS):
            raise
        raise damaged(", ".join(rows.files or rows.objects), error) from error


def charge_sql(dataset: Dataset) -> str:
    """SQL: the passenger's charge; NULL where its first part is NULL."""
    first, *others = (quoted(name) for name in dataset.charge_columns)
    return " + ".join([first, *(f"coalesce({name}, 0)" for name in others)])


def report_columns(dataset: Dataset) -> list[str]:
    """The columns that the daily summary and the page read."""
    roles = (dataset.distance, dataset.tips, *dataset.charge_columns)
    named = {"pickup_datetime", "dropoff_datetime", "pickup_location_id", "payment_type", "passenger_count", *roles}
    return [column.name for column in dataset.columns if column.name in named]


def _select_list(columns: Sequence[str] | None) -> str:
    return "*" if columns is None else ", ".join(map(quoted, columns))
