"""Candidates: the rows of a month that may break a rule."""

import numpy as np
import pyarrow as pa

from taxi_assets.cleaning.candidates import BREAKS_RULE, IS_REFUND, find_candidates


def repeated(*batches: list[int]) -> list[int]:
    scan = (
        pa.record_batch(
            {"row_flags": pa.array([0] * len(same), pa.uint8()), "row_fingerprint": pa.array(same, pa.uint32())}
        )
        for same in batches
    )
    found = find_candidates(scan, sum(map(len, batches)))
    assert set(found["is_repeated"].to_pylist()) <= {1}
    return found["position"].to_pylist()


def test_rows_with_a_fingerprint_of_their_own_are_left_out() -> None:
    assert repeated([5, 7, 5], [9, 7, 4_294_967_295]) == [0, 1, 2, 4]


def test_a_month_without_repeated_fingerprints_has_none() -> None:
    assert repeated([1, 2], [3]) == []


def test_an_empty_month_has_none() -> None:
    assert repeated() == []


def test_every_row_of_a_month_that_repeats_one_row_is_one() -> None:
    assert repeated([8] * 5) == [0, 1, 2, 3, 4]


def test_the_repeated_rows_are_those_that_counting_finds() -> None:
    marks = np.random.default_rng(1).integers(0, 5_000, 20_000, dtype=np.uint32)
    counts = np.bincount(marks)
    assert repeated(marks.tolist()) == np.flatnonzero(counts[marks] > 1).tolist()


def test_rows_that_break_a_rule_and_trips_with_a_refund_record_are_candidates_too() -> None:
    scan = pa.record_batch(
        {
            "row_flags": pa.array([0, BREAKS_RULE, 0, IS_REFUND, 0, BREAKS_RULE | IS_REFUND], pa.uint8()),
            "row_fingerprint": pa.array([1, 2, 3, 4, 1, 5], pa.uint32()),
            "trip_fingerprint": pa.array([9, 9, 8, 8, 7, 6], pa.uint32()),
        }
    )
    found = find_candidates([scan], 6).to_pydict()
    assert found == {"position": [0, 1, 2, 3, 4, 5], "is_repeated": [1, 0, 0, 0, 1, 0]}


def test_trips_that_only_share_a_fingerprint_with_one_another_are_none() -> None:
    scan = pa.record_batch(
        {"row_flags": pa.array([0, 0], pa.uint8()), "trip_fingerprint": pa.array([9, 9], pa.uint32())}
    )
    assert find_candidates([scan], 2).num_rows == 0
