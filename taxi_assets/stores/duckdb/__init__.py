"""DuckDB as the warehouse: one file, each month replaced as a whole in one transaction."""
