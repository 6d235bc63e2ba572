"""The table that an asset is kept in, by its definition metadata or by its key."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import dagster as dg

from taxi_assets.errors import InvalidRequest

TABLE_NAME = "dagster/table_name"
PARTITION_EXPR = "partition_expr"  # Dagster's own, which its IO managers for databases read as well
_QUOTES = frozenset('"`[]')


class TableName(NamedTuple):
    """A table, and the schema that the metadata names; without one it is empty."""

    schema: tuple[str, ...]
    table: str


def table_of(key: dg.AssetKey, metadata: Mapping[str, Any]) -> TableName:
    """The table that holds the asset.

    Raises:
        InvalidRequest: the metadata has quotes, which would become a part of the name.
    """
    text = text_in(metadata, TABLE_NAME)
    if text is None:
        return TableName((), key.path[-1])
    *schema, table = text.split(".")
    if _QUOTES & set(text) or not table:
        raise InvalidRequest(
            f"{key.to_user_string()} cannot be stored in {text!r}, as its metadata {TABLE_NAME} says: write schema and "
            "table as they are, without quotes and with one dot between. They are quoted in SQL, and keep their case"
        )
    return TableName(tuple(schema), table)


def text_in(metadata: Mapping[str, Any], name: str) -> str | None:
    """The metadata of that name as text; None where there is none."""
    value = metadata.get(name)
    return None if value is None else str(getattr(value, "value", value))


def require_schema(key: dg.AssetKey, wanted: tuple[str, ...], own: tuple[str, ...]) -> None:
    """Refuse a table in another schema than the IO manager's.

    Raises:
        InvalidRequest: the metadata names another one.
    """
    if wanted and own[-len(wanted) :] != wanted:
        raise InvalidRequest(
            f"{key.to_user_string()} belongs in {'.'.join(wanted)} by its metadata {TABLE_NAME}, and its IO manager "
            f"writes to {'.'.join(own)}: change one of the two"
        )
