"""Digests of rows in the lake, which has no server to compute them: DuckDB does in this process."""

from taxi_assets.stores.digest import Digest, Parts, digest_query
from taxi_assets.stores.duckdb.lake_query import one_answer
from taxi_assets.stores.duckdb.tables import DIALECT
from taxi_assets.stores.rows import Rows


def digest_of(rows: Rows, parts: Parts, position: str, total: str | None = None) -> Digest:
    """A digest of the rows: see `stores.digest`."""
    return Digest.of(one_answer(rows, digest_query(DIALECT, "{rows}", parts, position, total)), parts)
