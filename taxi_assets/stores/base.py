"""The protocol of the stores, and the unit that they replace and read: a table, or one partition of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import pyarrow as pa

from taxi_assets.errors import SchemaMismatch
from taxi_assets.month import Month
from taxi_assets.stores.partition import Key, Kind, Partition, kind_of

if TYPE_CHECKING:
    from taxi_assets.stores.digest import Digest, Parts
    from taxi_assets.stores.load_log import Entry
    from taxi_assets.stores.rows import Rows


@dataclass(frozen=True)
class TableSlice:
    """A whole table (`partition` is None) or one partition of a table."""

    table: str
    partition: Partition | None = None

    @property
    def kind(self) -> Kind | None:
        """The kind of the table's partitions; None where it has none."""
        return None if self.partition is None else kind_of(self.partition)

    def __str__(self) -> str:
        return self.table if self.partition is None else f"{self.table} {self.partition}"


@dataclass(frozen=True)
class Stored:
    """The result of a `replace`.

    Attributes:
        rows: rows in the slice.
        size: bytes of the slice in the store; None where the store does not know without a scan.
        schema: the schema of the rows as stored.
        types: column name -> the store's name for its type.
        scan_bytes: bytes that a query over the whole slice is billed for; None where the store does not bill.
    """

    rows: int
    size: int | None
    schema: pa.Schema
    types: Mapping[str, str]
    scan_bytes: int | None = None


def other_partitioning(where: str, remedy: str, *, holds: object, wanted: object) -> SchemaMismatch:
    """The error for a partition of a table that is one whole, or has partitions of another kind, and for the reverse.

    An asset that gains, loses or changes partitions would otherwise keep its old rows beside the new ones.

    Args:
        where: the table's name.
        remedy: how to remove the table.
        holds: what the table is divided into; None if it is one whole.
        wanted: what the asset is divided into; None if it has no partitions.
    """
    return SchemaMismatch(
        f"{where} holds {holds or 'one whole table'}, and the asset has {wanted or 'no partitions'} now: {remedy}, "
        "or give the asset another name, and materialize it again"
    )


def unconditionally() -> None:
    """The `confirm` of a publication that nothing prevents."""


class Store(Protocol):
    """What every store does."""

    def replace(self, piece: TableSlice, rows: "Rows") -> Stored: ...  # noqa: D102
    def read(self, table: str, partitions: Sequence[Partition] | None = None) -> "Rows": ...  # noqa: D102
    def count(self, piece: TableSlice) -> int: ...  # noqa: D102
    def row(self, piece: TableSlice, key: Mapping[str, Any]) -> dict[str, Any] | None: ...  # noqa: D102
    def keys(self, table: str) -> list[Key]: ...  # noqa: D102
    def months(self, table: str) -> list[Month]: ...  # noqa: D102


class TableStore(Store, Protocol):
    """A store whose tables have names in SQL, and which computes digests of them."""

    def digest(self, piece: TableSlice, parts: "Parts", position: str, total: str | None = None) -> "Digest": ...  # noqa: D102
    def table_name(self, table: str) -> str: ...  # noqa: D102
    def replace(self, piece: TableSlice, rows: "Rows", entry: "Entry | None" = None) -> Stored: ...  # noqa: D102
