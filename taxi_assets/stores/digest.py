"""Digests: a few numbers for a slice that every store computes by itself, so that no row has to leave it.

The digests of two stores are equal where their rows are. Every value counts together with its row's position, so that
an exchange of values between two rows shows as well. All stores compute with identical floating-point numbers: a
column's weight is a power of two, so that no product is rounded, with or without fused multiply-add; and sums are of
integers, so that the order of the rows does not matter.

A digest does not detect a change by less than 1/8192 of a column's unit (seconds, dollars, miles), nor one among values
beyond 9e13. It misses any other change with a probability of one in 134 million.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from taxi_assets.errors import SchemaMismatch

Parts = Mapping[str, Sequence[pa.Field]]

# So that the sums for 20,000,000 rows fit into 64 bits, the size of BigQuery's INT64.
_POSITIONS, _PRIME = 1021, 134217689
_WEIGHTS = 24  # powers of two, from the first again after that many columns
_GRAIN = "8192e0"
_LARGEST = "9e13"  # times the grain, it still fits into 64 bits
_NULL = "-31007.25e0"  # different from 0
_TEN_THOUSANDTHS = "10000e0"


@dataclass(frozen=True)
class Dialect:
    """The SQL expressions of a store for a digest.

    Attributes:
        quoted: name -> identifier.
        double: the type of floating-point numbers of 64 bits.
        bigint: the type of integers of 64 bits.
        seconds: an expression of a time -> seconds since 1970, as a double.
        days: an expression of a date -> days since 1970.
        text: an expression of a text -> the first 32 bits of its MD5 as an integer.
    """

    quoted: Callable[[str], str]
    double: str
    bigint: str
    seconds: Callable[[str], str]
    days: Callable[[str], str]
    text: Callable[[str], str]


@dataclass(frozen=True)
class Digest:
    """The digest of a slice.

    Attributes:
        rows: number of rows.
        total: the sum of the requested column, in ten thousandths of its unit; 0 where none was requested.
        parts: name of a part -> a number that is equal where the columns of the part are.
    """

    rows: int
    total: int
    parts: Mapping[str, int]

    @classmethod
    def of(cls, answer: Sequence[Any], parts: Parts) -> "Digest":
        """The digest in a store's answer to `digest_query`."""
        rows, total, *numbers = map(int, answer)
        return cls(rows, total, dict(zip(parts, numbers, strict=True)))


def digest_query(dialect: Dialect, source: str, parts: Parts, position: str, total: str | None) -> str:
    """The query for a digest; its answer is one row: the rows, the total, then a number for each part.

    Hashing a text takes a store longer than all the rest of a row, and a month has few distinct texts. Texts that a
    field's metadata list as its `codes` therefore count as a number each; rows are first grouped by all other texts.

    Args:
        dialect: the store's.
        source: the FROM expression, with the condition for the slice.
        parts: name -> the columns of one number.
        position: the column with the row's number.
        total: the column to sum up, if any.

    Raises:
        SchemaMismatch: a column has a type without a digest.
    """
    texts = dict.fromkeys(field.name for fields in parts.values() for field in fields if _is_free_text(field))
    groups = ", ".join(map(dialect.quoted, texts))
    weight = f"(mod({dialect.quoted(position)}, {_POSITIONS}) + 1)"
    amount = "0" if total is None else f"floor({dialect.quoted(total)} * {_TEN_THOUSANDTHS} + 0.5e0)"
    inner = [
        "count(*) AS group_rows",
        f"sum({weight}) AS group_weight",
        f"sum({amount}) AS group_total",
        *(
            f"sum(mod({_number(fields, dialect)}, {_PRIME}) * {weight}) AS group_part_{index}"
            for index, fields in enumerate(parts.values())
        ),
    ]
    outer = [
        "sum(group_rows)",
        "sum(group_total)",
        *(f"sum(group_part_{index}{_of_texts(fields, dialect)})" for index, fields in enumerate(parts.values())),
    ]
    return (
        f"SELECT {', '.join(f'coalesce({one}, 0)' for one in outer)} FROM ("
        f"SELECT {', '.join([*map(dialect.quoted, texts), *inner])} FROM {source}"
        f"{f' GROUP BY {groups}' if groups else ''}) AS grouped"
    )


def _number(fields: Sequence[pa.Field], dialect: Dialect) -> str:
    """A row's columns as one integer, without the texts that rows are grouped by."""
    # Times first: they are the largest numbers, and a smaller weight leaves more bits for the fraction.
    ordered = sorted((field for field in fields if not _is_text(field)), key=lambda field: not _is_time(field))
    terms = [
        f"coalesce({_double(field, dialect)}, {_NULL}) * {2 ** (index % _WEIGHTS)}e0"
        for index, field in enumerate(ordered)
    ]
    total = f"least(greatest({' + '.join(terms) or '0e0'}, -{_LARGEST}), {_LARGEST})"
    codes = _weighed([_code(field, dialect) for field in fields if _is_text(field) and _codes_of(field)])
    return " + ".join([f"CAST(floor({total} * {_GRAIN} + 0.5e0) AS {dialect.bigint})", *codes])


def _double(field: pa.Field, dialect: Dialect) -> str:
    name = dialect.quoted(field.name)
    if _is_time(field):
        return dialect.seconds(name)
    if pa.types.is_date(field.type):
        return f"CAST({dialect.days(name)} AS {dialect.double})"
    if pa.types.is_floating(field.type):
        return name
    if pa.types.is_integer(field.type):
        return f"CAST({name} AS {dialect.double})"
    raise SchemaMismatch(f"column {field.name} has type {field.type}, which has no digest")


def _of_texts(fields: Sequence[pa.Field], dialect: Dialect) -> str:
    """The contribution of a group of rows to a part, for the texts that the group shares."""
    terms = _weighed([_hash(field, dialect) for field in fields if _is_free_text(field)])
    return f" + mod({' + '.join(terms)}, {_PRIME}) * group_weight" if terms else ""


def _weighed(numbers: Sequence[str]) -> list[str]:
    return [f"{number} * {2 * index + 1}" for index, number in enumerate(numbers)]


def _hash(field: pa.Field, dialect: Dialect) -> str:
    return f"coalesce({dialect.text(dialect.quoted(field.name))} + 1, 0)"


def _code(field: pa.Field, dialect: Dialect) -> str:
    known = " ".join(f"WHEN '{code}' THEN {index}" for index, code in enumerate(_codes_of(field), 1))
    return f"CASE {dialect.quoted(field.name)} {known} ELSE {_hash(field, dialect)} END"


def _codes_of(field: pa.Field) -> list[str]:
    return list(json.loads((field.metadata or {}).get(b"codes", b"[]")))


def _is_free_text(field: pa.Field) -> bool:
    return _is_text(field) and not _codes_of(field)


def _is_text(field: pa.Field) -> bool:
    return bool(pa.types.is_string(field.type))


def _is_time(field: pa.Field) -> bool:
    return bool(pa.types.is_timestamp(field.type)) and field.type.tz is None
