"""Which rows could be equal to another one."""

import numpy as np
import pyarrow as pa

from taxi_assets.cleaning.lookalikes import positions_of_lookalikes


def positions(*arrays: list[int]) -> list[int]:
    found = positions_of_lookalikes((pa.array(array, pa.uint32()) for array in arrays), sum(map(len, arrays)))
    return found["position"].to_pylist()


def test_rows_with_a_fingerprint_of_their_own_are_left_out() -> None:
    assert positions([5, 7, 5], [9, 7, 4_294_967_295]) == [0, 1, 2, 4]


def test_a_month_without_lookalikes_has_none() -> None:
    assert positions([1, 2], [3]) == []


def test_an_empty_month_has_none() -> None:
    assert positions() == []


def test_every_row_of_a_month_that_repeats_one_row_is_one() -> None:
    assert positions([8] * 5) == [0, 1, 2, 3, 4]


def test_the_positions_are_those_that_counting_finds() -> None:
    marks = np.random.default_rng(1).integers(0, 5_000, 20_000, dtype=np.uint32)
    counts = np.bincount(marks)
    assert positions(marks.tolist()) == np.flatnonzero(counts[marks] > 1).tolist()
