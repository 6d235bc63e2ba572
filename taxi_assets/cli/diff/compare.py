"""Compares a new cleaning of a month's file with the clean rows and the quarantine that the lake has.

Printing is in `render` and `as_json`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import pyarrow as pa

from taxi_assets.catalog import Dataset, Layer
from taxi_assets.cli.stored_month import raw_file, repair_command_added
from taxi_assets.errors import SliceDamaged, SliceMissing
from taxi_assets.month import Month
from taxi_assets.stores.rows import PROVENANCE, Rows

if TYPE_CHECKING:
    from taxi_assets.cleaning import Move
    from taxi_assets.stores.lake import Lake

#: Called with what is read, the number of rows read so far, and that of all rows (None where it is not known).
Progress: TypeAlias = Callable[[str, int, int | None], object]


@dataclass(frozen=True)
class MonthDiff:
    """What loading a month by some rules would change in the lake.

    Attributes:
        dataset: of the month.
        month: the month.
        rules: names of the rules of the new cleaning.
        rules_before: names of the rules of the loaded rows.
        changes: in the clean rows, with the keys of `compare_versions`.
        moves: rows that break other rules than before.
    """

    dataset: Dataset
    month: Month
    rules: Sequence[str]
    rules_before: Sequence[str]
    changes: Mapping[str, Any]
    moves: "Sequence[Move]"

    @property
    def is_empty(self) -> bool:
        """Whether loading would change no row."""
        return not self.moves and not any(self.changes[kind] for kind in ("added", "removed", "changed"))


def month_diff(
    lake: "Lake", dataset: Dataset, month: Month, rules: Iterable[str], *, scratch: Path, progress: Progress
) -> MonthDiff:
    """What loading the month's file in the lake by these rules would change there; nothing is stored.

    Args:
        lake: has the month.
        dataset: of the month.
        month: the month.
        rules: names of the rules to clean by; those that always apply are added.
        scratch: a folder for DuckDB's temporary files.
        progress: called while rows are read.

    Raises:
        InvalidRequest: there is no rule of such a name, or the month lies before the dataset's first.
        SliceMissing, SliceDamaged, SchemaBroken, SchemaMismatch, BadFile: the lake does not have the month, or not in a
            form that can be compared; the text contains the command to run.
        StoreUnavailable: the lake does not answer, or memory or the scratch folder's disk is full.
    """
    from taxi_assets.cleaning import cleaned_month, compare_versions, local_copy, rule_moves

    lake = lake.pinned()
    with repair_command_added(dataset, month):
        progress("fetching what is loaded", 0, None)
        raw = raw_file(lake, dataset, month)
        clean, quarantine = (
            local_copy(_loaded(lake, dataset, layer, month)) for layer in (Layer.CLEAN, Layer.QUARANTINE)
        )
        if clean.provenance.get(f"{PROVENANCE}source_sha256") != raw.sha256:
            raise SliceDamaged(
                f"the lake's clean rows of {dataset.name} {month} were made from another file than it has"
            )
        progress(f"cleaning {raw.path.name}", 0, None)
        with cleaned_month(raw, dataset, month, rules, scratch) as cleaned:
            rejected = sum(cleaned.rejected.values())
            changes = compare_versions(
                _watched(clean.with_schema(cleaned.clean.schema), "comparing the loaded rows", None, progress),
                _watched(cleaned.clean, "comparing the new rows", cleaned.source_rows - rejected, progress),
                dataset,
                scratch,
            )
            new_quarantine = _watched(cleaned.quarantine, "comparing the quarantine", rejected, progress)
            moves = rule_moves(quarantine, new_quarantine, scratch)
            return MonthDiff(dataset, month, tuple(cleaned.rejected), _rules_of(clean), changes, moves)


def _loaded(lake: "Lake", dataset: Dataset, layer: Layer, month: Month) -> Rows:
    try:
        return lake.read(dataset.path(layer), [month])
    except SliceMissing as error:
        raise SliceMissing(
            f"the lake has TLC's file of {dataset.name} {month}, but no {dataset.path(layer)}: "
            f"taxi run {dataset.name} {month}"
        ) from error


def _rules_of(clean: Rows) -> tuple[str, ...]:
    return tuple(name for name in clean.provenance.get(f"{PROVENANCE}rules", "").split(",") if name)


def _watched(rows: Rows, what: str, count: int | None, progress: Progress) -> Rows:
    """The same rows, which report how many of them were read."""

    def open_batches() -> Iterator[pa.RecordBatch]:
        read = 0
        progress(what, read, count)
        for batch in rows.batches():
            yield batch
            read += batch.num_rows
            progress(what, read, count)

    return rows.watched(open_batches)
