"""Codes that nobody has explained yet."""

import json
from collections.abc import Mapping

from taxi_assets.catalog import Dataset
from taxi_assets.duckdb_sql import quoted
from taxi_assets.stores.queries import one_answer
from taxi_assets.stores.rows import Rows


def strange_codes(clean: Rows, dataset: Dataset) -> Mapping[str, Mapping[str, int]]:
    """The codes in clean rows that the catalogue's tables lack: column -> code -> rows that have it.

    Raises:
        StoreError: the rows cannot be read.
    """
    coded = [column for column in dataset.columns if column.codes]
    if not coded:
        return {}
    # As JSON, since DuckDB hands a map of whole numbers and a map of texts to Python in different ways.
    counted = ", ".join(f"to_json(histogram({quoted(column.name)}))" for column in coded)
    answer = one_answer(clean, f"SELECT {counted} FROM {{rows}}")
    found = {}
    for column, histogram in zip(coded, answer, strict=True):
        codes = json.loads(histogram or "{}")
        found[column.name] = {code: rows for code, rows in codes.items() if code not in map(str, column.codes)}
    return {name: codes for name, codes in found.items() if codes}
