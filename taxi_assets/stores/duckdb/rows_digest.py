"""The digest of rows that lie in the lake, which has no server that could make it: DuckDB does, in this process."""

from taxi_assets.stores.digest import Dialect, Digest, Parts, digest_query
from taxi_assets.stores.duckdb.lake_query import one_answer
from taxi_assets.stores.duckdb.sql import quoted
from taxi_assets.stores.rows import Rows

DUCKDB = Dialect(
    quoted=quoted,
    double="DOUBLE",
    bigint="BIGINT",
    seconds=lambda time: f"(epoch_us({time}) / 1e6)",
    days=lambda date: f"({date} - DATE '1970-01-01')",
    text=lambda text: f"CAST('0x' || md5({text})[:8] AS BIGINT)",
)


def digest_of(rows: Rows, parts: Parts, position: str, total: str | None = None) -> Digest:
    """What the rows hold: see `stores.digest`."""
    return Digest.of(one_answer(rows, digest_query(DUCKDB, "{rows}", parts, position, total)), parts)
