"""The Postgres store: tables partitioned by month, each month replaced as a whole in one transaction."""

from taxi_assets.stores.postgres.store import PostgresStore

__all__ = ["PostgresStore"]
