"""The shape of every store, and the unit that it replaces and reads: a table, or one month of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import pyarrow as pa

from taxi_assets.errors import SchemaMismatch
from taxi_assets.month import Month

if TYPE_CHECKING:
    from taxi_assets.stores.digest import Digest, Parts
    from taxi_assets.stores.load_log import Entry
    from taxi_assets.stores.rows import Rows


@dataclass(frozen=True)
class TableSlice:
    """A whole table (`month` is None) or one month of a table partitioned by month."""

    table: str
    month: Month | None = None

    def __str__(self) -> str:
        return self.table if self.month is None else f"{self.table} {self.month}"


@dataclass(frozen=True)
class Stored:
    """What a `replace` left in the store.

    Attributes:
        rows: rows in the slice.
        size: bytes of the slice in the store; None where the store cannot tell cheaply.
        schema: the rows' schema as it was stored.
        types: column name -> the store's own name for its type.
        scan_bytes: what a query that reads the whole slice is billed for; None where nobody bills.
    """

    rows: int
    size: int | None
    schema: pa.Schema
    types: Mapping[str, str]
    scan_bytes: int | None = None


def other_partitioning(where: str, remedy: str, *, by_month: bool) -> SchemaMismatch:
    """The error for a month of a table that is one whole, and for the whole of a table of months.

    An asset that is given partitions, or loses them, would else keep its old rows beside the new ones.

    Args:
        where: the table's name.
        remedy: how to remove the table.
        by_month: whether the rows are a month of it.
    """
    holds, asset = ("one whole table", "has months") if by_month else ("months", "has no partitions")
    return SchemaMismatch(
        f"{where} holds {holds}, and the asset {asset} now: {remedy}, or give the asset another name, "
        "and materialize it again"
    )


class Store(Protocol):
    """The one shape of every store."""

    def replace(self, piece: TableSlice, rows: "Rows") -> Stored: ...  # noqa: D102
    def read(self, table: str, months: Sequence[Month] | None = None) -> "Rows": ...  # noqa: D102
    def count(self, piece: TableSlice) -> int: ...  # noqa: D102
    def row(self, piece: TableSlice, key: Mapping[str, Any]) -> dict[str, Any] | None: ...  # noqa: D102
    def months(self, table: str) -> list[Month]: ...  # noqa: D102


class TableStore(Store, Protocol):
    """A store whose tables have names in SQL, and which can add up what they hold."""

    def digest(self, piece: TableSlice, parts: "Parts", position: str, total: str | None = None) -> "Digest": ...  # noqa: D102
    def table_name(self, table: str) -> str: ...  # noqa: D102
    def replace(self, piece: TableSlice, rows: "Rows", entry: "Entry | None" = None) -> Stored: ...  # noqa: D102
