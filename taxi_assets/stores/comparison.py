"""Comparison of a slice in one store with the same slice in the lake, and a description of the differences."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pyarrow as pa

from taxi_assets.stores.digest import Digest, Parts

_ALL = "all"
MakeDigest = Callable[[Parts], Digest]


@dataclass(frozen=True)
class Comparison:
    """Two slices that should hold the same rows.

    Attributes:
        expected: digest of the reference slice.
        found: digest of the other one.
        differences: those of the rows, the total and the values; empty where the slices are equal.
    """

    expected: Digest
    found: Digest
    differences: Sequence[str]


def compare(schema: pa.Schema, expected: MakeDigest, found: MakeDigest) -> Comparison:
    """Compare two slices: all columns at once, and then column by column where that finds a difference.

    Args:
        schema: the columns to compare.
        expected: computes digests of the reference slice.
        found: computes digests of the other one.
    """
    whole = {_ALL: list(schema)}
    right, other = expected(whole), found(whole)
    differences = [_different_rows(right, other), _different_total(right, other)]
    if other.rows == right.rows and other.parts != right.parts:
        differences.append(_different_columns(list(schema), expected, found))
    return Comparison(right, other, [difference for difference in differences if difference])


def _different_rows(right: Digest, other: Digest) -> str | None:
    if other.rows == right.rows:
        return None
    if right.rows and other.rows % right.rows == 0 and other.rows:
        return f"{other.rows:,} rows: each of the {right.rows:,} is there {other.rows // right.rows} times"
    difference = abs(other.rows - right.rows)
    kind = "too many" if other.rows > right.rows else "missing"
    return f"{other.rows:,} rows instead of {right.rows:,}: {difference:,} {kind}"


def _different_total(right: Digest, other: Digest) -> str | None:
    if other.total == right.total:
        return None
    difference = (other.total - right.total) / 10_000
    return f"a total of {other.total / 10_000:,.2f} instead of {right.total / 10_000:,.2f}: {difference:+,.2f}"


def _different_columns(fields: Sequence[pa.Field], expected: MakeDigest, found: MakeDigest) -> str:
    each = {field.name: [field] for field in fields}
    right, other = expected(each).parts, found(each).parts
    different = [name for name in each if other[name] != right[name]]
    exchanged = [
        f"{one} and {two} are exchanged"
        for index, one in enumerate(different)
        for two in different[index + 1 :]
        if (other[one], other[two]) == (right[two], right[one])
    ]
    if exchanged:
        return "; ".join(exchanged)
    return f"other values in {', '.join(different)}" if different else "values belong to other rows"
