"""BigQuery's types for Arrow's, and back.

Lists and structs are JSON in a STRING, which BigQuery's JSON functions read: a REPEATED column has no nulls, and a load
of Parquet has no JSON.
"""

import pyarrow as pa

from taxi_assets.stores.array_casts import has_json, is_uuid
from taxi_assets.stores.type_changes import TypeMap

_TYPE_NAMES = {
    pa.bool_(): "BOOL",
    pa.int16(): "INT64",
    pa.int32(): "INT64",
    pa.int64(): "INT64",
    pa.float64(): "FLOAT64",
    pa.string(): "STRING",
    pa.binary(): "BYTES",
    pa.date32(): "DATE",
    pa.time64("us"): "TIME",
    pa.timestamp("us"): "DATETIME",
    pa.timestamp("us", "UTC"): "TIMESTAMP",
}
_ARROW_TYPES = {
    **{name: kind for kind, name in _TYPE_NAMES.items()},
    "NUMERIC": pa.decimal128(38, 9),
    "BIGNUMERIC": pa.decimal256(76, 38),
}
# What ALTER COLUMN SET DATA TYPE does without a loss:
# https://cloud.google.com/bigquery/docs/managing-table-schemas#change_a_columns_data_type
_CHANGES = {("INT64", "NUMERIC"), ("INT64", "BIGNUMERIC"), ("NUMERIC", "BIGNUMERIC")}


def _name_of(kind: pa.DataType) -> str | None:
    if pa.types.is_null(kind) or is_uuid(kind) or has_json(kind):
        return "STRING"
    if kind == pa.uint64():
        return "NUMERIC"
    if pa.types.is_decimal(kind):
        for name in ("NUMERIC", "BIGNUMERIC"):
            room = _ARROW_TYPES[name]
            if kind.scale <= room.scale and kind.precision - kind.scale <= room.precision - room.scale:
                return name
        return None
    return _TYPE_NAMES.get(kind)


TYPES = TypeMap("BigQuery", _name_of, _ARROW_TYPES.get, lambda held, wanted: (held, wanted) in _CHANGES)


def is_loadable(kind: pa.DataType) -> bool:
    """True: a load job reads the type from Parquet as what it is; all others are cast before."""
    return kind in _TYPE_NAMES or bool(pa.types.is_decimal(kind))
