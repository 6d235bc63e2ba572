"""Stores: the lake, Postgres and the warehouse, each of one shape.

`replace(slice, rows)` makes a slice hold exactly the rows, atomically; `read(table, months)`, `row(slice, key)`,
`count(slice)` and `months(table)` tell what is there. Stores know neither the catalogue nor Dagster: all they need to
know about rows is in the Arrow schema that comes with them. Each store's module imports its own driver and nobody
else's.
"""
