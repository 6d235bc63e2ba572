"""Casts of Arrow arrays: Arrow's own, which refuse what would lose a digit, and those that Arrow lacks.

These are UUIDs from and to text, and lists and structs to JSON.
"""

import json
from typing import Any
from uuid import UUID

import pyarrow as pa


def cast(values: pa.Array, kind: pa.DataType) -> pa.Array:  # noqa: PLR0911 - a table of rules
    """The values in another type.

    Raises:
        ArrowInvalid, ArrowNotImplementedError: a value does not fit, or there is no such cast.
    """
    if values.type == kind:
        return values
    if values.null_count == len(values):
        return pa.nulls(len(values), kind)
    if pa.types.is_dictionary(values.type):
        # Polars' texts have another layout, which Arrow cannot look up by number.
        texts = cast(values.dictionary, kind)
        return pa.DictionaryArray.from_arrays(values.indices, texts).dictionary_decode()
    if is_uuid(values.type) and pa.types.is_string(kind):
        return pa.array([None if one is None else str(one) for one in values.to_pylist()], kind)
    if is_uuid(kind) and pa.types.is_string(values.type):
        return _uuids(values)
    if pa.types.is_nested(values.type) and pa.types.is_string(kind):
        return pa.array([None if one is None else _json(one) for one in values.to_pylist()], kind)
    return values.cast(kind)


def is_uuid(kind: pa.DataType) -> bool:
    """True: Arrow's type for UUIDs."""
    return isinstance(kind, pa.UuidType)


def has_json(kind: pa.DataType) -> bool:
    """True: lists and structs whose values JSON can hold: no bytes, and no map, whose keys may be anything."""
    return _is_list_or_struct(kind) and all(
        has_json(kind.field(index).type) or _is_scalar(kind.field(index).type) for index in range(kind.num_fields)
    )


def _is_list_or_struct(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or (pa.types.is_struct(kind) and kind.num_fields))


def _is_scalar(kind: pa.DataType) -> bool:
    return is_uuid(kind) or kind in _SCALARS or bool(pa.types.is_decimal(kind))


_SCALARS = {
    pa.null(),
    pa.bool_(),
    pa.int16(),
    pa.int32(),
    pa.int64(),
    pa.uint64(),
    pa.float64(),
    pa.string(),
    pa.date32(),
    pa.time64("us"),
    pa.timestamp("us"),
    pa.timestamp("us", "UTC"),
}


def _uuids(values: pa.Array) -> pa.Array:
    try:
        return pa.array([None if one is None else UUID(one) for one in values.to_pylist()], pa.uuid())
    except ValueError as error:
        raise pa.ArrowInvalid(str(error)) from error


def _json(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, default=str)
    except ValueError as error:
        raise pa.ArrowInvalid(f"JSON has no such number: {error}") from error
