"""Kinds of frames, tried against our IO managers and Dagster's own for pandas in DuckDB.

`cases` has the frames, `outcomes` what becomes of one, and `python -m taxi_assets_tests.io_managers.comparison` writes
the table into docs/io-managers.md, from a run.
"""
