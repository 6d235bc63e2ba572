"""Groups the lines of the audit tables into the versions of a partition that were loaded."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

from taxi_assets.stores.load_log import DOCUMENTS, Line

_VERSION_COLUMNS = ("source_sha256", "rules", "code_version")


@dataclass(frozen=True)
class Version:
    """Consecutive loads with the same source file, rules and code version.

    Attributes:
        lines: of the audit tables, oldest first; at least one.
        now_in: stores that hold this version, by their audit tables.
    """

    lines: tuple[Line, ...]
    now_in: tuple[str, ...]

    @property
    def origin(self) -> Line:
        """A line that stands for all: file, rules and row counts are the same in each."""
        return self.lines[0]

    @property
    def changes(self) -> Mapping[str, Any] | None:
        """The version diff to the one before, as in `taxi/changes`; None if there is none."""
        changes: Mapping[str, Any] | None = self.origin["changes"]
        return changes

    def as_json(self) -> dict[str, Any]:
        """The version in JSON types."""
        kept = (
            "source_url",
            "source_etag",
            "source_bytes",
            "source_rows",
            "rejected_rows",
            *_VERSION_COLUMNS,
            *DOCUMENTS,
        )
        loads = ("store", "run_id", "started_by", "started_at", "finished_at", "loaded_rows")
        return {
            **{name: self.origin[name] for name in kept},
            "now_in": list(self.now_in),
            "loads": [{name: _plain(line[name]) for name in loads} for line in self.lines],
        }


def versions_of(lines: Iterable[Line]) -> list[Version]:
    """The versions, oldest first. One that was loaded, replaced and loaded again occurs twice.

    The stores' clocks may differ: only the order within a store, and that of whole runs, is certain.
    """
    by_store = sorted(lines, key=lambda line: line["finished_at"])
    newest = {line["store"]: line for line in by_store}
    begun: dict[str, datetime] = {}
    for line in by_store:
        begun.setdefault(line["run_id"], line["finished_at"])
    ordered = sorted(by_store, key=lambda line: (begun[line["run_id"]], line["finished_at"]))
    versions = []
    for _, group in groupby(ordered, key=lambda line: [line[name] for name in _VERSION_COLUMNS]):
        loads = tuple(group)
        versions.append(Version(loads, tuple(store for store, line in newest.items() if line in loads)))
    return versions


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value
