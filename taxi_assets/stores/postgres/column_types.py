"""The Arrow type that a column of any Postgres type is read as, and the expression to select for it."""

import re

import pyarrow as pa
from psycopg import sql

from taxi_assets.stores.postgres.tables import ARROW_TYPES, TableColumn

_DIGITS = 38  # of a decimal128
_READ_AS_THEY_ARE = {
    **ARROW_TYPES,
    "real": pa.float32(),
    "character varying": pa.string(),
    "time without time zone": pa.time64("us"),
    "oid": pa.int64(),
}


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
