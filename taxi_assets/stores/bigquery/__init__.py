"""The warehouse in BigQuery: tables partitioned by month; one load job replaces a month."""
