"""A partition's load history, from the audit tables: every version that was ever loaded, and what each changed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

from taxi_assets.stores.load_log import DOCUMENTS, Line

_VERSION_COLUMNS = ("source_sha256", "rules", "code_version")


@dataclass(frozen=True)
class Version:
    """What was made of one file, by one set of rules and one version of the code, until something else was loaded.

    Attributes:
        lines: of the audit logs, oldest first; at least one.
        now_in: stores that hold this version, as far as their audit logs know.
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
    for _, group in groupby(ordered, key=lambda line: [line[name] for name in _VERSION_COLUMNS]):
        told = tuple(group)
        versions.append(Version(told, tuple(store for store, line in newest.items() if line in told)))
    return versions


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value
