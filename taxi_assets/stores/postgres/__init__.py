"""The Postgres store: tables partitioned by month, each month replaced as a whole in one transaction."""
