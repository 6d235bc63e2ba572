"""Names of tables in Postgres: the limit of their length, and those of a table's partitions.

This module does not import the driver, so that definitions can be checked quickly.
"""

import re
from collections.abc import Iterable

from taxi_assets.errors import SchemaMismatch
from taxi_assets.stores.partition import Partition, identifier_of

_NAME_BYTES = 63
_INCOMING = "_new"


def partition_name(table: str, partition: Partition) -> str:
    """The name of the table that holds the partition."""
    return f"{table}_{identifier_of(partition)}"


def incoming_name(table: str, partition: Partition) -> str:
    """The name of the table that the rows are loaded into before it becomes the partition."""
    return f"{partition_name(table, partition)}{_INCOMING}"


def is_partition_name(table: str, partition: Partition, name: str) -> bool:
    """True: the name is that of the partition, or of another window of its length, or of their incoming tables."""
    given, taken = (re.escape(one) for one in (table, identifier_of(partition)))
    if not isinstance(partition.key, str):
        taken = re.sub(r"\d", r"\\d", taken)
    return re.fullmatch(f"{given}_{taken}({_INCOMING})?", name) is not None


def require_short(names: Iterable[str]) -> None:
    """Refuse names that Postgres would truncate without an error, and then not find.

    Raises:
        SchemaMismatch: a name is too long.
    """
    too_long = [name for name in names if len(name.encode()) > _NAME_BYTES]
    if too_long:
        raise SchemaMismatch(f"Postgres has names of up to {_NAME_BYTES} bytes, too few for {', '.join(too_long)}")
