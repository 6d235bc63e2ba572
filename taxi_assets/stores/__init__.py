"""Stores: the lake, Postgres and the warehouse, behind one protocol.

`replace(slice, rows)` makes a slice hold exactly the rows, atomically; `read(table, partitions)`, `row(slice, key)`,
`count(slice)`, `keys(table)` and `months(table)` return what it holds; a slice is a table, or one `partition` of it. A
backend's package has the same files: `store` (the public class), `tables` (names, DDL and schemas), `loading` (rows in)
and `reading` (rows out), beside its own. `factory` opens a store from a place. Stores depend neither on the catalogue
nor on Dagster: the Arrow schema of the rows has everything that they use. Each store imports its own driver only, and
nothing here reads the environment.
"""
