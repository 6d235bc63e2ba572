"""How the type of a column changes: which types hold the values of another, and which changes a table takes by itself.

A table's column is widened where its new type holds every value of the old one and of the rows; and it takes the type
of the rows where no row of the table has a value in it, as after a first slice of nulls. Rows of a narrower type go
into the wider column. Numbers of another kind go in where each value does: a pandas column of integers that gained a
null is float. Everything else is refused.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce

import pyarrow as pa

from taxi_assets.errors import SchemaMismatch
from taxi_assets.stores.array_casts import cast
from taxi_assets.stores.rows import Rows

_DIGITS = {pa.int16(): 5, pa.int32(): 10, pa.int64(): 19, pa.uint64(): 20}
_SIGNED = (pa.int16(), pa.int32(), pa.int64())
_DECIMAL128, _DECIMAL256 = 38, 76  # digits


@dataclass(frozen=True)
class TypeMap:
    """The types of a store.

    Attributes:
        store: its name, for messages.
        name_of: Arrow type -> the store's name; None where it has none.
        type_of: the store's name -> the Arrow type that is read; None where `name_of` never gives that name.
        can_change: whether a column of the first of two types, by the store's names, can take the second.
    """

    store: str
    name_of: Callable[[pa.DataType], str | None]
    type_of: Callable[[str], pa.DataType | None]
    can_change: Callable[[str, str], bool] = lambda _held, _wanted: True


@dataclass(frozen=True)
class Changes:
    """What a table needs before rows go in.

    Attributes:
        widened: column -> the store's name of its wider type.
        retyped: column without a value -> the store's name of its first type.
    """

    widened: Mapping[str, str]
    retyped: Mapping[str, str]


def changes_for(
    rows: Rows, existing: Mapping[str, str], types: TypeMap, has_value: Callable[[str], bool], where: str
) -> Changes:
    """The changes of the table's columns that the rows need.

    Args:
        rows: to be loaded. Where their type alone does not show whether they fit, they are read an additional time.
        existing: column -> the store's name for its type.
        types: of the store.
        has_value: whether a row of the table has a value in the column.
        where: the table's name, for the message.

    Raises:
        SchemaMismatch: values would be lost; the text names the columns, their types, and the way out.
    """
    widened: dict[str, str] = {}
    retyped: dict[str, str] = {}
    refused = []
    for field in rows.schema:
        held, brought = existing.get(field.name), types.name_of(field.type)
        if held is None or brought is None or held == brought or pa.types.is_null(field.type):
            continue
        wanted = _wanted(rows, field, held, types)
        if wanted is not None and wanted != held:
            widened[field.name] = wanted
        elif wanted is None and not has_value(field.name):
            retyped[field.name] = brought
        elif wanted is None and not _all_null(rows, field.name):
            refused.append(f"{field.name} is {held} in the table and {brought} in the rows")
    if refused:
        raise SchemaMismatch(
            f"{where}: {'; '.join(refused)}, and neither holds the values of the other. Cast the column in the asset "
            "to the table's type, or have the table take the other: change the column there (ALTER TABLE), or drop the "
            "table and materialize all of it again"
        )
    return Changes(widened, retyped)


def fitted(rows: Rows, existing: Mapping[str, str], types: TypeMap) -> Rows:
    """The rows in the types of the table's columns, after the changes of `changes_for`; the rows where all are alike.

    Raises:
        SchemaMismatch: while streaming, where a value does not fit.
    """
    fields = []
    for field in rows.schema:
        held = existing.get(field.name)
        kind = None if held is None or held == types.name_of(field.type) else types.type_of(held)
        fields.append(field.with_type(_first_type(field.type) if kind is None else kind))
    return rows.with_schema(pa.schema(fields, rows.schema.metadata))


def wider(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:  # noqa: PLR0911 - a table of rules
    """The type that holds every value of both; None where there is none."""
    if one == other or pa.types.is_null(other):
        return one
    if pa.types.is_null(one):
        return other
    if one in _SIGNED and other in _SIGNED:
        return max(one, other, key=_SIGNED.index)
    for integer, kind in ((one, other), (other, one)):
        if pa.types.is_float64(kind) and integer in _SIGNED[:2]:
            return kind
        if pa.types.is_date32(integer) and pa.types.is_timestamp(kind) and kind.tz is None:
            return kind
    if _is_exact(one) and _is_exact(other):
        return _decimal(one, other)
    if pa.types.is_list(one) and pa.types.is_list(other):
        element = wider(one.value_type, other.value_type)
        return None if element is None else pa.list_(element)
    if pa.types.is_struct(one) and pa.types.is_struct(other):
        return _struct(one, other)
    return None


def common_type(kinds: list[pa.DataType]) -> pa.DataType | None:
    """The type that holds the values of all; None where there is none."""

    def both(one: pa.DataType | None, other: pa.DataType) -> pa.DataType | None:
        return None if one is None else wider(one, other)

    return reduce(both, kinds, pa.null())


def _wanted(rows: Rows, field: pa.Field, held: str, types: TypeMap) -> str | None:
    """The store's name of the type that holds the table's values and those of the rows; None where there is none."""
    present = types.type_of(held)
    if present is None:
        return None
    if pa.types.is_float64(field.type) and present in _SIGNED and _fits(rows, field.name, present):
        return held
    both = wider(present, field.type)
    name = None if both is None else types.name_of(both)
    if name is not None and name != held and not types.can_change(held, name):
        name = None
    if name is None and _may_fit(field.type, present) and _fits(rows, field.name, present):
        return held
    return name


def _may_fit(kind: pa.DataType, present: pa.DataType) -> bool:
    """True: Arrow's cast between the two is exact, or fails."""
    if pa.types.is_float64(present):
        return kind in _SIGNED
    return _is_exact(present) and pa.types.is_decimal(kind)


def _fits(rows: Rows, column: str, kind: pa.DataType) -> bool:
    try:
        for batch in rows.batches():
            cast(batch.column(column), kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return False
    return True


def _all_null(rows: Rows, column: str) -> bool:
    return all(batch.column(column).null_count == batch.num_rows for batch in rows.batches())


def _first_type(kind: pa.DataType) -> pa.DataType:
    """The type of a column, or of the elements of a list, of which no value is known yet."""
    if pa.types.is_list(kind):
        return pa.list_(_first_type(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_first_type(field.type)) for field in kind])
    return pa.string() if pa.types.is_null(kind) else kind


def _is_exact(kind: pa.DataType) -> bool:
    return kind in _DIGITS or bool(pa.types.is_decimal(kind))


def _decimal(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    sizes = [(_DIGITS[kind], 0) if kind in _DIGITS else (kind.precision, kind.scale) for kind in (one, other)]
    scale = max(scale for _, scale in sizes)
    precision = max(digits - places for digits, places in sizes) + scale
    return decimal_type(precision, scale)


def decimal_type(precision: int, scale: int) -> pa.DataType | None:
    """Arrow's smallest type of so many digits; None where it has none."""
    if precision <= _DECIMAL128:
        return pa.decimal128(precision, scale)
    return pa.decimal256(precision, scale) if precision <= _DECIMAL256 else None


def _struct(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    fields = {field.name: field.type for field in one}
    for field in other:
        both = wider(fields.get(field.name, pa.null()), field.type)
        if both is None:
            return None
        fields[field.name] = both
    return pa.struct(fields.items())
