"""Legacy codes of old eras: text codes for vendors and payments in 2009 and 2010, 1.0 and 0.0 for flags in 2009."""

from collections.abc import Iterable

import numpy as np
import pyarrow as pa

from taxi_assets.catalog import Column
from taxi_assets.sample.trips import Trips, Values


def is_text(kind: pa.DataType) -> bool:
    """Whether the type is an Arrow string type."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def writable_codes(column: Column, physical: pa.DataType) -> Iterable[int | str]:
    """The column's codes that a file with this physical type can hold: in a text column, those with a legacy text."""
    if column.value_mapping and is_text(physical) and not is_text(column.type):
        return sorted(set(column.value_mapping.values()))
    return column.codes


def to_physical_values(trips: Trips, column: Column, physical: pa.DataType, values: Values) -> Values:
    """The inverse of the catalogue's value mapping: canonical values as a file with this physical type has them."""
    if is_text(physical) and pa.types.is_integer(column.type):
        texts = np.empty(len(values), dtype=object)
        for code in np.unique(values[~np.isnan(values)]):
            of_code = values == code
            # The seed is part of the files' bytes: another name gives other texts.
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
    """The code's legacy texts; those in lower case also capitalized and in upper case."""
    texts = [text for text, value in column.value_mapping.items() if value == code] or [str(code)]
    return [form for text in texts for form in ((text, text.capitalize(), text.upper()) if text.islower() else (text,))]
