"""The ledger: a line for every `replace` of a table, in the store that holds the table.

It says who or what replaced which slice, when, with rows of what origin, and what that changed. The origin is what the
rows bring along as provenance; rows without any get a line all the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from taxi_assets.stores.rows import PROVENANCE, Rows
from taxi_assets.stores.slices import Slice


def _column(name: str, kind: pa.DataType, text: str, *, nullable: bool = True) -> pa.Field:
    return pa.field(name, kind, nullable, {"description": text})


_TEXT, _COUNT, _MOMENT = pa.string(), pa.int64(), pa.timestamp("us", "UTC")
_ORIGIN = (
    _column("dataset", _TEXT, "Dataset that the rows are of."),
    _column("source_url", _TEXT, "Where the source's file came from."),
    _column("source_sha256", _TEXT, "SHA-256 of the file, in hexadecimal."),
    _column("source_etag", _TEXT, "ETag of the file as the source sent it; empty where it sent none."),
    _column("source_bytes", _COUNT, "Size of the file in bytes."),
    _column("source_rows", _COUNT, "Rows in the file."),
    _column("rejected_rows", _COUNT, "Rows of the file that went to quarantine."),
    _column("rejected_by_rule", _TEXT, "JSON: rule -> rows that broke it first."),
    _column("rules", _TEXT, "Names of the rules that were applied, with commas between."),
    _column("code_version", _TEXT, "Version of the code that made the rows."),
    _column("changes", _TEXT, "JSON: what changed since the rows that were there before; null where none were."),
)
SCHEMA = pa.schema(
    [
        _column("table_name", _TEXT, "Table that was replaced, or a month of it.", nullable=False),
        _column("source_month", pa.date32(), "First day of the month; null where the whole table was replaced."),
        _column("store", _TEXT, "Store that the table is in: the first part of the asset's key.", nullable=False),
        _column("run_id", _TEXT, "Dagster's id of the run.", nullable=False),
        _column("started_by", _TEXT, "Who or what started the run.", nullable=False),
        _column("started_at", _MOMENT, "When the load into this store began.", nullable=False),
        _column("finished_at", _MOMENT, "When the rows were in the store, ready to be seen.", nullable=False),
        _column("loaded_rows", _COUNT, "Rows that were loaded.", nullable=False),
        *_ORIGIN,
    ],
    metadata={"description": "Every load of every table: a line each, written with the rows, never changed."},
)


def now_after(newest: datetime | None) -> datetime:
    """Now, but later than the slice's newest line: a clock may be set back, and the newest line tells what is there.

    Args:
        newest: `finished_at` of that line; None where there is none.
    """
    now = datetime.now(tz=UTC)
    return now if newest is None else max(now, newest + timedelta(microseconds=1))


@dataclass(frozen=True)
class Entry:
    """What is known of a load before it begins.

    Attributes:
        ledger: name of the ledger's table.
        store: what the store is called, for example `postgres`.
        run_id: of the run.
        started_by: who or what started the run.
        started_at: when the load began, with a time zone.
        origin: the rows' provenance.
    """

    ledger: str
    store: str
    run_id: str
    started_by: str
    started_at: datetime
    origin: Mapping[str, str]

    def line(self, piece: Slice, loaded_rows: int, finished_at: datetime) -> Rows:
        """The ledger's line for the slice, whose rows are in the store since that moment."""
        values: dict[str, Any] = {
            "table_name": piece.table,
            "source_month": None if piece.month is None else piece.month.first_day,
            "store": self.store,
            "run_id": self.run_id,
            "started_by": self.started_by,
            "started_at": self.started_at,
            "finished_at": finished_at,
            "loaded_rows": loaded_rows,
        }
        for field in _ORIGIN:
            told = self.origin.get(f"{PROVENANCE}{field.name}")
            values[field.name] = int(told) if told is not None and field.type == _COUNT else told
        return Rows.from_table(pa.Table.from_pylist([values], SCHEMA))
