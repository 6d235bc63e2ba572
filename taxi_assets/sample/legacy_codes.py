"""How an era's files spell codes: vendors and payments as texts in 2009 and 2010, flags as 1.0 and 0.0 in 2009."""

from collections.abc import Iterable

import numpy as np
import pyarrow as pa

from taxi_assets.catalog import Column
from taxi_assets.sample.trips import Trips, Values


def is_text(kind: pa.DataType) -> bool:
    """Whether Arrow holds such values as strings."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def writable_codes(column: Column, physical: pa.DataType) -> Iterable[int | str]:
    """The column's codes, less those for which files of texts have no word."""
    if column.value_mapping and is_text(physical) and not is_text(column.type):
        return sorted(set(column.value_mapping.values()))
    return column.codes


def to_physical_values(trips: Trips, column: Column, physical: pa.DataType, values: Values) -> Values:
    """The canonical values of the trips' column as files with that physical type spell them."""
    if is_text(physical) and pa.types.is_integer(column.type):
        texts = np.empty(len(values), dtype=object)
        for code in np.unique(values[~np.isnan(values)]):
            of_code = values == code
            texts[of_code] = trips.choose(f"{column.name} spelling", _texts_for(column, int(code)))[of_code]
        return texts
    if pa.types.is_floating(physical) and is_text(column.type):
        numbers = np.full(len(values), np.nan)
        for text, value in column.value_mapping.items():
            if text.isdecimal():
                numbers[values == value] = int(text)
        return numbers
    return values


def _texts_for(column: Column, code: int) -> list[str]:
    """The code in each of its legacy texts, those that are not capitals also as a word and in capitals."""
    texts = [text for text, value in column.value_mapping.items() if value == code] or [str(code)]
    return [way for text in texts for way in ((text, text.capitalize(), text.upper()) if text.islower() else (text,))]
