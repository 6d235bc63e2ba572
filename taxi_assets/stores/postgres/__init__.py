"""The Postgres store: tables partitioned by month; each month is replaced as a whole in one transaction."""
