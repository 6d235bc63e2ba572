"""Find the few rows of a month that could be equal to another one, without holding the month in memory."""

from collections.abc import Iterable

import numpy as np
import pyarrow as pa


def positions_of_lookalikes(fingerprints: Iterable[pa.Array], rows: int) -> pa.Table:
    """The positions, from 0, of the rows whose fingerprint another row has too.

    Equal rows have equal fingerprints; unequal rows may, so whoever asks compares the rows in full. 32 bits make about
    200 such false alarms in 1,369,769 rows. Sorting four bytes a row takes a tenth of the time, and a fifth of the
    memory, of grouping by them in DuckDB: 20,000,000 rows need 160 MB here.

    Args:
        fingerprints: arrays of uint32 in the order of the rows.
        rows: how many fingerprints there are.

    Returns:
        One column, `position` (int64).
    """
    marks = np.empty(rows, np.uint32)
    filled = 0
    for array in fingerprints:
        marks[filled : filled + len(array)] = array.to_numpy()
        filled += len(array)
    in_order = np.sort(marks)
    shared = np.unique(in_order[1:][in_order[1:] == in_order[:-1]])
    del in_order
    # A table of the shared lower halves leaves a few rows in a hundred for the search, which is slow.
    low_is_shared = np.zeros(1 << 16, np.bool_)
    low_is_shared[shared & 0xFFFF] = True
    positions = np.flatnonzero(low_is_shared[marks & 0xFFFF])
    return pa.table({"position": positions[np.isin(marks[positions], shared)]})
