"""Codes in clean rows that the catalogue's code tables lack."""

import json
from collections.abc import Mapping

from taxi_assets.catalog import Column, Dataset
from taxi_assets.stores.duckdb.lake_query import one_answer
from taxi_assets.stores.duckdb.sql import literal, quoted
from taxi_assets.stores.rows import Rows


def unknown_codes(clean: Rows, dataset: Dataset) -> Mapping[str, Mapping[str, int]]:
    """Column -> unknown code -> number of clean rows with it; columns without unknown codes are left out.

    Raises:
        StoreError: the rows cannot be read.
    """
    coded = [column for column in dataset.columns if column.codes]
    if not coded:
        return {}
    # As JSON, since DuckDB converts maps with integer and with string keys to different Python objects.
    counted = ", ".join(
        f"to_json(histogram({quoted(column.name)}) FILTER ({quoted(column.name)} NOT IN ({_known(column)})))"
        for column in coded
    )
    answer = one_answer(clean, f"SELECT {counted} FROM {{rows}}")
    found = zip(coded, answer, strict=True)
    return {column.name: json.loads(histogram) for column, histogram in found if histogram not in (None, "{}")}


def _known(column: Column) -> str:
    return ", ".join(str(code) if isinstance(code, int) else literal(code) for code in column.codes)
