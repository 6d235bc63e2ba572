"""Embedded PostgreSQL for local use: a server in a folder, started when asked for and shared by processes."""

from taxi_assets.stores.embedded_postgres.programs import PSQL, get_server
from taxi_assets.stores.embedded_postgres.server import embedded_url, is_made

__all__ = ["PSQL", "embedded_url", "get_server", "is_made"]
