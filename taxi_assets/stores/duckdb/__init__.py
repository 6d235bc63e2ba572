"""The warehouse in a DuckDB file: each month is replaced as a whole in one transaction."""
