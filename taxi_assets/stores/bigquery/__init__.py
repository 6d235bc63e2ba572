"""BigQuery as the warehouse: tables partitioned by month, each month replaced by one load job."""

from taxi_assets.stores.bigquery.store import BigQueryStore

__all__ = ["BigQueryStore"]
