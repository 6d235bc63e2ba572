"""IO managers for a lake of Parquet files, Postgres and DuckDB.

They know nothing of taxis: names come from asset keys, types and comments from the rows, months from the partitions, so
that they serve any project with assets by month. Their drivers are imported when they are first used.
"""

from taxi_assets.io_managers.lake import LakeIOManager
from taxi_assets.io_managers.tables import (
    BigQueryIOManager,
    DuckDBIOManager,
    EmbeddedPostgresIOManager,
    PostgresIOManager,
)

__all__ = ["BigQueryIOManager", "DuckDBIOManager", "EmbeddedPostgresIOManager", "LakeIOManager", "PostgresIOManager"]
