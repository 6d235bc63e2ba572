"""The audit table: one line for each `replace` of a table, in the store that holds the table.

A line records who or what replaced which slice, when, the provenance of the rows, and what changed. Rows without
provenance get a line as well.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Protocol

import pyarrow as pa

from taxi_assets.errors import SliceMissing, StoreError
from taxi_assets.stores.base import TableSlice
from taxi_assets.stores.rows import PROVENANCE, Rows


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
        _column("store", _TEXT, "Store that the table is in, as its IO manager names it.", nullable=False),
        _column("run_id", _TEXT, "Dagster's id of the run.", nullable=False),
        _column("started_by", _TEXT, "Who or what started the run.", nullable=False),
        _column("started_at", _MOMENT, "When the load into this store began.", nullable=False),
        _column("finished_at", _MOMENT, "When the rows were in the store, ready to be seen.", nullable=False),
        _column("loaded_rows", _COUNT, "Rows that were loaded.", nullable=False),
        *_ORIGIN,
    ],
    metadata={"description": "Every load of every table: a line each, written with the rows, never changed."},
)


DOCUMENTS = ("rejected_by_rule", "changes")  # columns that hold JSON
Line = Mapping[str, Any]  # by the names in `SCHEMA`, with its JSON parsed
_REQUIRED = tuple(field.name for field in SCHEMA if not field.nullable)
_CHANGES = {"since_sha256", "rows_before", "rows_after", "added", "removed", "changed", "amount_before", "amount_after"}


def now_after(newest: datetime | None) -> datetime:
    """Now, or just after the slice's newest line where a clock was set back: the newest line is of the present rows.

    Args:
        newest: `finished_at` of that line; None where there is none.
    """
    now = datetime.now(tz=UTC)
    return now if newest is None else max(now, newest + timedelta(microseconds=1))


@dataclass(frozen=True)
class Entry:
    """The facts of a load that are known before it begins.

    Attributes:
        audit_table: name of the audit table.
        store: name of the store, for example `postgres`.
        run_id: of the run.
        started_by: who or what started the run.
        started_at: when the load began, with a time zone.
        origin: the rows' provenance.
    """

    audit_table: str
    store: str
    run_id: str
    started_by: str
    started_at: datetime
    origin: Mapping[str, str]

    def line(self, piece: TableSlice, loaded_rows: int, finished_at: datetime) -> Rows:
        """The audit table's line for the slice, whose rows are in the store since that time."""
        values: dict[str, Any] = {
            "table_name": piece.table,
            "source_month": month_of(piece),
            "store": self.store,
            "run_id": self.run_id,
            "started_by": self.started_by,
            "started_at": self.started_at,
            "finished_at": finished_at,
            "loaded_rows": loaded_rows,
        }
        for field in _ORIGIN:
            fact = self.origin.get(f"{PROVENANCE}{field.name}")
            values[field.name] = int(fact) if fact is not None and field.type == _COUNT else fact
        return Rows.from_table(pa.Table.from_pylist([values], SCHEMA))


def month_of(piece: TableSlice) -> date | None:
    """The audit table's `source_month` of a slice: the day on which its month or window begins."""
    key = None if piece.partition is None else piece.partition.key
    return key.date() if isinstance(key, datetime) else None if isinstance(key, str) else key


class Readable(Protocol):
    """The part of a store that reading its audit table needs."""

    def read(self, table: str) -> Rows: ...  # noqa: D102


def lines_of(store: Readable, audit_table: str, piece: TableSlice) -> list[Line]:
    """The audit table's lines for the slice, in no order; none where there is no audit table yet.

    Raises:
        StoreError: the store does not answer, or a line lacks what every load writes.
    """
    import pyarrow.compute as pc  # 0.06 s, which loading the definitions does not wait for

    month = month_of(piece)
    lines: list[Line] = []
    try:
        rows = store.read(audit_table)
        _require_columns(audit_table, rows.schema.names)
        for batch in rows.batches():
            found = batch.filter(pc.equal(batch["table_name"], piece.table)).to_pylist()
            lines += [_read(audit_table, line) for line in found if line["source_month"] == month]
    except SliceMissing:
        return []
    return lines


def _require_columns(audit_table: str, names: Sequence[str]) -> None:
    lacking = [name for name in (*_REQUIRED, "source_month") if name not in names]
    if lacking:
        raise StoreError(f"{audit_table} is no audit table of taxi_assets: it lacks {', '.join(lacking)}")


def _read(audit_table: str, line: dict[str, Any]) -> Line:
    """The line with every column; JSON of another form, which this package did not write, counts as null."""
    known = {name: line.get(name) for name in SCHEMA.names}
    lacking = [name for name in _REQUIRED if known[name] is None]
    if lacking:
        raise StoreError(f"a line of {audit_table} for {line['table_name']} lacks {', '.join(lacking)}")
    rejected, changes = (_document(known[name]) for name in DOCUMENTS)
    if not all(isinstance(rows, int) for rows in (rejected or {}).values()):
        rejected = None
    return {**known, "rejected_by_rule": rejected, "changes": changes if set(changes or ()) >= _CHANGES else None}


def _document(text: str | None) -> dict[str, Any] | None:
    try:
        value = json.loads(text or "null")
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
