"""Postgres' types for Arrow's, and back: those that this package writes, and what columns of all others are read as."""

import re
from collections.abc import Iterator, Mapping

import pyarrow as pa
from psycopg import sql

from taxi_assets.stores.array_casts import has_json, is_uuid
from taxi_assets.stores.postgres.tables import ARROW_TYPES, TYPE_NAMES, TableColumn
from taxi_assets.stores.rows import Rows
from taxi_assets.stores.type_changes import TypeMap, wider

_DIGITS = 38  # of a decimal128, the widest that pgpq encodes
_DOCUMENT = "jsonb"
_DOCUMENT_VERSION = "\1"  # before the text, in the binary form
_MORE = {pa.uint64(): "numeric(20,0)", pa.time64("us"): "time without time zone", pa.null(): "text"}
_WRITTEN = {**ARROW_TYPES, "time without time zone": pa.time64("us"), "uuid": pa.uuid()}
_READ_AS_THEY_ARE = {
    **ARROW_TYPES,
    "real": pa.float32(),
    "character varying": pa.string(),
    "time without time zone": pa.time64("us"),
    "uuid": pa.uuid(),
    "oid": pa.int64(),
}
_ELEMENTS = {
    pa.bool_(),
    pa.int16(),
    pa.int32(),
    pa.int64(),
    pa.float64(),
    pa.string(),
    pa.date32(),
    pa.timestamp("us"),
    pa.null(),
}


def _name_of(kind: pa.DataType) -> str | None:
    if is_uuid(kind):
        return "uuid"
    if pa.types.is_decimal(kind):
        return f"numeric({kind.precision},{kind.scale})" if 0 <= kind.scale <= kind.precision <= _DIGITS else None
    if pa.types.is_list(kind) and kind.value_type in _ELEMENTS:
        return f"{_name_of(kind.value_type)}[]"
    if has_json(kind):
        return _DOCUMENT
    return TYPE_NAMES.get(kind) or _MORE.get(kind)


def _type_of(name: str) -> pa.DataType | None:
    if name.endswith("[]"):
        element = _type_of(name.removesuffix("[]"))
        return pa.list_(element) if element in _ELEMENTS else None
    exact = re.fullmatch(r"numeric\((\d+),(\d+)\)", name)
    if exact is not None and int(exact[2]) <= int(exact[1]) <= _DIGITS:
        return pa.decimal128(int(exact[1]), int(exact[2]))
    return _WRITTEN.get(name)


TYPES = TypeMap("Postgres", _name_of, _type_of)


def is_wider(name: str, other: str) -> bool:
    """True: the other type holds every value of the first."""
    one, two = _type_of(name), _type_of(other)
    return one is not None and two is not None and wider(one, two) == two


def encodable(rows: Rows, existing: Mapping[str, str]) -> Rows:
    """The rows with lists and structs as the text that the binary form of `jsonb` has, where the table has that type.

    Args:
        rows: in the types of the table.
        existing: column -> Postgres' type.

    Raises:
        SchemaMismatch: while streaming, where a value has no form in JSON.
    """
    import pyarrow.compute as pc  # 0.06 s, which loading the definitions does not wait for

    documents = [name for name in rows.schema.names if existing.get(name) == _DOCUMENT]
    if not documents:
        return rows
    fields = [field.with_type(pa.string()) if field.name in documents else field for field in rows.schema]
    texts = rows.with_schema(pa.schema(fields, rows.schema.metadata))

    def open_batches() -> Iterator[pa.RecordBatch]:
        for batch in texts.batches():
            columns = [
                pc.binary_join_element_wise(_DOCUMENT_VERSION, column, "") if name in documents else column
                for name, column in zip(batch.schema.names, batch.columns, strict=True)
            ]
            yield pa.RecordBatch.from_arrays(columns, schema=batch.schema)

    return texts.watched(open_batches)


def field_of(column: TableColumn) -> pa.Field:
    """The column as a field, with its comment as the description."""
    kind, _ = _reading(column.type)
    metadata = None if column.comment is None else {"description": column.comment}
    return pa.field(column.name, kind, not column.required, metadata)


def selected(column: TableColumn) -> sql.Composed:
    """The column as an expression of a SELECT with bound values."""
    _, cast = _reading(column.type)
    name = beside_values(column.name)
    if cast is None:
        return sql.Composed([name])
    return sql.SQL("{}::{}").format(name, sql.SQL(cast))


def beside_values(*names: str) -> sql.Identifier:
    """A name in a query with bound values: psycopg reads a single % as a placeholder."""
    return sql.Identifier(*(name.replace("%", "%%") for name in names))


def _reading(name: str) -> tuple[pa.DataType, str | None]:
    """The Arrow type, and the type that the server casts to first; a type that Arrow lacks is read as text."""
    if name.endswith("[]"):
        kind, cast = _reading(name.removesuffix("[]"))
        return pa.list_(kind), None if cast is None else f"{cast}[]"
    exact = re.fullmatch(r"numeric\((\d+),(\d+)\)", name)
    if exact is not None and int(exact[2]) <= int(exact[1]) <= _DIGITS:
        return pa.decimal128(int(exact[1]), int(exact[2])), None
    plain = re.sub(r"\(-?\d+(,-?\d+)?\)", "", name)  # varchar(9), timestamp(3) without time zone
    if plain == "numeric":
        return pa.float64(), "double precision"
    if plain in _READ_AS_THEY_ARE:
        return _READ_AS_THEY_ARE[plain], None
    return pa.string(), "text"
