"""What every run uses, imported by the process that runs are forked off: see `forked_runs`.

Importing it starts no thread and opens no connection, neither of which a forked process could use. It saves a small
month's run 1.9 s of CPU time, half a second of which are imports that libraries leave for later.
"""

import gc
from importlib import import_module

from taxi_assets.automation.instance_storage import load_migration_scripts

_MODULES = [
    "dagster._core.executor.in_process",
    "dagster._core.workspace.autodiscovery",
    "dagster._grpc.impl",
    "fsspec.implementations.local",  # Dagster's own IO manager
    "pandas",  # which pyarrow and DuckDB import by themselves in each run
    "pyarrow.fs",
    "pyarrow.pandas_compat",
    "pyarrow.parquet",
    "taxi_assets.cleaning.month_version",
    "taxi_assets.cleaning.unknown_codes",
    "taxi_assets.definitions",
    "taxi_assets.report.daily",
    "taxi_assets.report.index",
    "taxi_assets.sample.source",
    "taxi_assets.stores.duckdb.lake_query",
    "taxi_assets.stores.duckdb.rows_digest",
    "taxi_assets.stores.duckdb.store",
    "taxi_assets.stores.lake.folder.store",
    "taxi_assets.stores.postgres.embedded",
    "taxi_assets.stores.postgres.store",
    "upath.implementations.local",
]

gc.set_threshold(50_000)  # as for the command `taxi`
for _name in _MODULES:
    import_module(_name)
load_migration_scripts()
gc.freeze()  # or each run would look through what it shares with this process, and so copy it
