"""Types, settings and errors of DuckDB, the same for every use: the warehouse, the lake, cleaning and reports.

This module does not import the driver, so that modules which only compose SQL load quickly.
"""

import os
from pathlib import Path
from typing import TypeAlias

import pyarrow as pa

TYPE_NAMES = {
    pa.bool_(): "BOOLEAN",
    pa.int16(): "SMALLINT",
    pa.int32(): "INTEGER",
    pa.int64(): "BIGINT",
    pa.float64(): "DOUBLE",
    pa.string(): "VARCHAR",
    pa.binary(): "BLOB",
    pa.date32(): "DATE",
    pa.timestamp("us"): "TIMESTAMP",
    pa.timestamp("us", "UTC"): "TIMESTAMP WITH TIME ZONE",
}
ARROW_TYPES = {name: kind for kind, name in TYPE_NAMES.items()}

# An insert that keeps the rows' order with two threads (0.9 s instead of 1.6 s for 1,369,769 trips) needs a limit of
# 250 MB for each thread; DuckDB then uses 170 MB in all, and all of it for 20,000,000 trips: those take 33 s instead of
# 17 with the lower limit, and 300 MB of memory instead of 660.
_WAREHOUSE_SETTINGS = {"threads": "2", "memory_limit": "'512MB'"}
_LITTLE_MEMORY = {**_WAREHOUSE_SETTINGS, "memory_limit": "'150MB'"}
MANY_ROWS = 10_000_000
_OTHER_NAMES = {"worker_threads": "threads", "max_memory": "memory_limit"}  # that DuckDB has for them
_QUERY_MEMORY = "300MB"  # a month of 20,000,000 rows passes within it; DuckDB spills what does not fit
_MOST_SPILLED = "4GB"  # for each connection; a month of 20,000,000 rows spills less than 1 GB
_QUERY_THREADS = 4  # at most

Config: TypeAlias = dict[str, str | bool | int | float | list[str]]


def query_config(scratch: Path | None = None, threads: int = _QUERY_THREADS) -> Config:
    """The `config` of a connection without a database file, for one query over a month.

    Args:
        scratch: folder for what does not fit into memory; DuckDB's default, `.tmp`, where it is None.
        threads: as many as the machine has processors, but no more than this.
    """
    config: Config = {
        "memory_limit": _QUERY_MEMORY,
        "max_temp_directory_size": _MOST_SPILLED,
        "threads": min(os.cpu_count() or 1, threads),
    }
    return config if scratch is None else {**config, "temp_directory": str(scratch)}


def warehouse_settings(config: Config, *, little_memory: bool) -> list[str]:
    """The statements that set threads and memory of a connection to a file, where its config does not set them."""
    given = {_OTHER_NAMES.get(name.lower(), name.lower()) for name in config}
    settings = _LITTLE_MEMORY if little_memory else _WAREHOUSE_SETTINGS
    return [f"SET {name} = {value}" for name, value in settings.items() if name not in given]


def is_disk_full(error: Exception) -> bool:
    """True: DuckDB, or Arrow on its behalf, found no space left on a disk."""
    return "No space left" in str(error)
