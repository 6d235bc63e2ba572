"""A month's story, as the ledgers of the stores tell it: every version that was ever loaded, and what each changed."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any, Protocol

import pyarrow.compute as pc

from taxi_assets.errors import SliceMissing, StoreError
from taxi_assets.stores.ledger import SCHEMA
from taxi_assets.stores.rows import Rows
from taxi_assets.stores.slices import Slice

Line = Mapping[str, Any]  # of the ledger, by the names in `stores.ledger.SCHEMA`
_TOLD_BY = ("source_sha256", "rules", "code_version")
_JSON = ("rejected_by_rule", "changes")
_REQUIRED = tuple(field.name for field in SCHEMA if not field.nullable)
_CHANGES = {"since_sha256", "rows_before", "rows_after", "added", "removed", "changed", "amount_before", "amount_after"}


class Readable(Protocol):
    """A store as far as its ledger is read."""

    def read(self, table: str) -> Rows: ...  # noqa: D102


@dataclass(frozen=True)
class Version:
    """What was made of one file, by one set of rules and one version of the code, until something else was loaded.

    Attributes:
        lines: of the ledgers, oldest first; at least one.
        now_in: stores that hold this version, as far as their ledgers know.
    """

    lines: tuple[Line, ...]
    now_in: tuple[str, ...]

    @property
    def origin(self) -> Line:
        """What all lines say of the file, the rules and the rows."""
        return self.lines[0]

    @property
    def changes(self) -> Mapping[str, Any] | None:
        """What it changed in the version before, as `taxi/changes`; None where nobody compared the two."""
        told: Mapping[str, Any] | None = self.origin["changes"]
        return told

    def as_json(self) -> dict[str, Any]:
        """The version in JSON's own types."""
        kept = ("source_url", "source_etag", "source_bytes", "source_rows", "rejected_rows", *_TOLD_BY, *_JSON)
        loads = ("store", "run_id", "started_by", "started_at", "finished_at", "loaded_rows")
        return {
            **{name: self.origin[name] for name in kept},
            "now_in": list(self.now_in),
            "loads": [{name: _plain(line[name]) for name in loads} for line in self.lines],
        }


def lines_of(store: Readable, ledger: str, piece: Slice) -> list[Line]:
    """The ledger's lines for the slice, in no order; none where there is no ledger yet.

    Raises:
        StoreError: the store does not answer, or a line lacks what every load writes.
    """
    month = None if piece.month is None else piece.month.first_day
    lines: list[Line] = []
    try:
        rows = store.read(ledger)
        _require_columns(ledger, rows.schema.names)
        for batch in rows.batches():
            found = batch.filter(pc.equal(batch["table_name"], piece.table)).to_pylist()
            lines += [_read(ledger, line) for line in found if line["source_month"] == month]
    except SliceMissing:
        return []
    return lines


def versions_of(lines: Iterable[Line]) -> list[Version]:
    """The versions, oldest first. One that was loaded, replaced and loaded again is told twice.

    The stores' clocks need not agree: only the order within a store is certain, and that of whole runs.
    """
    by_store = sorted(lines, key=lambda line: line["finished_at"])
    newest = {line["store"]: line for line in by_store}
    begun: dict[str, datetime] = {}
    for line in by_store:
        begun.setdefault(line["run_id"], line["finished_at"])
    ordered = sorted(by_store, key=lambda line: (begun[line["run_id"]], line["finished_at"]))
    versions = []
    for _, group in groupby(ordered, key=lambda line: [line[name] for name in _TOLD_BY]):
        told = tuple(group)
        versions.append(Version(told, tuple(store for store, line in newest.items() if line in told)))
    return versions


def _require_columns(ledger: str, names: Sequence[str]) -> None:
    lacking = [name for name in (*_REQUIRED, "source_month") if name not in names]
    if lacking:
        raise StoreError(f"{ledger} is no audit log of taxi_assets: it lacks {', '.join(lacking)}")


def _read(ledger: str, line: dict[str, Any]) -> Line:
    """The line with every column; JSON that something else wrote there counts as not known."""
    known = {name: line.get(name) for name in SCHEMA.names}
    lacking = [name for name in _REQUIRED if known[name] is None]
    if lacking:
        raise StoreError(f"a line of {ledger} for {line['table_name']} lacks {', '.join(lacking)}")
    rejected, changes = (_document(known[name]) for name in _JSON)
    if not all(isinstance(rows, int) for rows in (rejected or {}).values()):
        rejected = None
    return {**known, "rejected_by_rule": rejected, "changes": changes if set(changes or ()) >= _CHANGES else None}


def _document(text: str | None) -> dict[str, Any] | None:
    try:
        value = json.loads(text or "null")
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value
