"""BigQuery as the warehouse: tables partitioned by month, each month replaced by one load job."""
