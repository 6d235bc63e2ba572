"""Clean rows as something that DuckDB can ask many questions, in little memory."""

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

# Whole seconds, downwards: half a second before the pickup is no duration of 0. With some rules off, times may lie
# centuries apart, which are more seconds than an INTEGER holds.
SECONDS = "CAST(floor((epoch_us(dropoff_datetime) - epoch_us(pickup_datetime)) / 1000000) AS BIGINT)"

# What DuckDB says where a query is wrong, and not the file that it reads: for that it also has its bare `Error`.
_OF_THE_QUERY = (
    duckdb.BinderException,
    duckdb.CatalogException,
    duckdb.ConversionException,
    duckdb.OutOfRangeException,
    duckdb.ParserException,
)


@contextmanager
def queryable(rows: Rows, scratch: Path, columns: Sequence[str] | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB in which the rows are called `rows`.

    Rows that lie in files are read there; others come by once and are kept, in the scratch folder where memory ends.

    Args:
        rows: what is asked about.
        scratch: a folder for what does not fit into memory.
        columns: those that are asked about, so that no others are kept; all where it is left out.

    Raises:
        StoreUnavailable: neither memory nor the scratch folder's disk has room enough.
        SliceDamaged: a file that holds the rows cannot be read; the text names it.
    """
    files = in_files(rows)
    try:
        with duckdb.connect(config=query_config(scratch)) as connection:
            connection.execute("SET GLOBAL TimeZone = 'UTC'")
            if files:
                connection.execute(f"CREATE VIEW rows AS FROM {files}")
            else:
                connection.register("stream", rows.reader())
                connection.execute(f"CREATE TABLE rows AS SELECT {_list(columns)} FROM stream")
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
        if files is None or isinstance(error, _OF_THE_QUERY):
            raise
        raise damaged(", ".join(rows.files or rows.objects), error) from error


def charged(dataset: Dataset) -> str:
    """What the passenger of a row was charged, in SQL: NULL where the first of its parts is."""
    first, *others = (quoted(name) for name in dataset.charged)
    return " + ".join([first, *(f"coalesce({name}, 0)" for name in others)])


def asked_columns(dataset: Dataset) -> list[str]:
    """The columns that a summary or a report of the dataset looks at."""
    roles = (dataset.distance, dataset.tips, *dataset.charged)
    named = {"pickup_datetime", "dropoff_datetime", "pickup_location_id", "payment_type", "passenger_count", *roles}
    return [column.name for column in dataset.columns if column.name in named]


def _list(columns: Sequence[str] | None) -> str:
    return "*" if columns is None else ", ".join(map(quoted, columns))
