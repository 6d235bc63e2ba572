"""DuckDB's types for Arrow's, and back: those of columns that this package makes."""

import re

import pyarrow as pa

from taxi_assets.stores.array_casts import is_uuid
from taxi_assets.stores.duckdb.engine import ARROW_TYPES, TYPE_NAMES
from taxi_assets.stores.duckdb.sql import quoted
from taxi_assets.stores.type_changes import TypeMap

_MORE = {pa.uint64(): "UBIGINT", pa.time64("us"): "TIME", pa.null(): TYPE_NAMES[pa.string()]}
_ARROW_TYPES = {**ARROW_TYPES, "UBIGINT": pa.uint64(), "TIME": pa.time64("us"), "UUID": pa.uuid()}
_DIGITS = 38


def _name_of(kind: pa.DataType) -> str | None:
    if is_uuid(kind):
        return "UUID"
    if pa.types.is_decimal(kind):
        return f"DECIMAL({kind.precision},{kind.scale})" if 0 <= kind.scale <= kind.precision <= _DIGITS else None
    if pa.types.is_list(kind):
        element = _name_of(kind.value_type)
        return None if element is None else f"{element}[]"
    if pa.types.is_struct(kind):
        fields = {field.name: _name_of(field.type) for field in kind}
        if not fields or None in fields.values():
            return None
        return f"STRUCT({', '.join(f'{quoted(name)} {type_}' for name, type_ in fields.items())})"
    return TYPE_NAMES.get(kind) or _MORE.get(kind)


def _type_of(name: str) -> pa.DataType | None:
    if name.endswith("[]"):
        element = _type_of(name.removesuffix("[]"))
        return None if element is None else pa.list_(element)
    exact = re.fullmatch(r"DECIMAL\((\d+),(\d+)\)", name)
    if exact is not None:
        return pa.decimal128(int(exact[1]), int(exact[2]))
    struct = re.fullmatch(r"STRUCT\((.*)\)", name, re.DOTALL)
    if struct is not None:
        return _struct_of(struct[1])
    return _ARROW_TYPES.get(name)


TYPES = TypeMap("DuckDB", _name_of, _type_of)


def canonical(name: str) -> str:
    """DuckDB's name of a type, with every name of a struct quoted, as in `TYPES`; DuckDB quotes some."""
    kind = _type_of(name)
    return name if kind is None else _name_of(kind) or name


def _struct_of(text: str) -> pa.DataType | None:
    """The type of a struct with these fields: `a BIGINT, "b, c" STRUCT(d VARCHAR)[]`."""
    fields = []
    while text:
        field = re.match(r'(?:"((?:[^"]|"")+)"|(\w+)) ', text)
        if field is None:
            return None
        text = text[field.end() :]
        end = _end_of_type(text)
        kind = _type_of(text[:end])
        if kind is None:
            return None
        fields.append((field[2] or field[1].replace('""', '"'), kind))
        text = text[end:].removeprefix(", ")
    return pa.struct(fields)


def _end_of_type(text: str) -> int:
    depth, in_name = 0, False
    for index, letter in enumerate(text):
        if letter == '"':
            in_name = not in_name
        elif not in_name:
            depth += {"(": 1, ")": -1}.get(letter, 0)
            if letter == "," and depth == 0:
                return index
    return len(text)
