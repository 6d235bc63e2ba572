"""Embedded PostgreSQL for local use: a server in a folder, started when asked for and shared by processes."""

from taxi_assets.stores.postgres.embedded.programs import PSQL, get_server
from taxi_assets.stores.postgres.embedded.server import embedded_url, is_made

__all__ = ["PSQL", "embedded_url", "get_server", "is_made"]
