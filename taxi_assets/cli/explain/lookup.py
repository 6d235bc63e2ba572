"""Looks up one source row in the lake and in the tables.

Printing is in `render` and `as_json`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from taxi_assets.catalog import RULES, SOURCE_ROW, TABLE_STORES, Dataset, Layer, Rule
from taxi_assets.cli.stored_month import raw_file, repair_command_added
from taxi_assets.errors import InvalidRequest, SliceMissing, TaxiError
from taxi_assets.month import Month
from taxi_assets.raw_file import RawFile
from taxi_assets.stores.base import TableSlice

if TYPE_CHECKING:
    from taxi_assets.cleaning import SourceRow, SourceValue
    from taxi_assets.stores.lake import Lake


CLEAN, QUARANTINE = "clean", "quarantine"  # where the row is, in the JSON document


@dataclass(frozen=True)
class BrokenRule:
    """A rule that the row broke, and the positions of other rows that the rule depends on, if any."""

    rule: Rule
    rows: Sequence[int] = ()


@dataclass(frozen=True)
class Explanation:
    """One source row, with its rules and locations.

    Attributes:
        dataset: of the row.
        month: of the file.
        row: its position in the file, from 0.
        rows_in_file: number of rows in the file.
        values: each column's raw and cast value, in the file's order.
        layer: `clean` or `quarantine`; None if the lake has it in neither.
        broken: the rules that it broke, in order.
        clean: its values in the clean partition of the lake; None if it is not there.
        tables: store -> its values there, None if the table lacks the row, or the error if the store does not answer.
        is_from_current_file: whether the clean partition was made from the file that the lake holds now.
    """

    dataset: Dataset
    month: Month
    row: int
    rows_in_file: int
    values: "Sequence[SourceValue]"
    layer: str | None
    broken: Sequence[BrokenRule]
    clean: Mapping[str, Any] | None
    tables: Mapping[str, Mapping[str, Any] | str | None]
    is_from_current_file: bool

    def differences(self, store: str) -> dict[str, tuple[object, object]]:
        """Column -> its values in the lake and in the store, for columns that differ."""
        there, here = self.tables.get(store), self.clean
        if not isinstance(there, Mapping) or here is None:
            return {}
        return {name: (value, there.get(name)) for name, value in here.items() if there.get(name) != value}

    @property
    def all_stores_answered(self) -> bool:
        """Whether every store answered."""
        return not any(isinstance(one, str) for one in self.tables.values())


def explain(stores: Mapping[str, Callable[[], Any]], dataset: Dataset, month: Month, row: int) -> Explanation:
    """Look up the row at that position of the month's file.

    Args:
        stores: name -> function that opens the store.
        dataset: of the row.
        month: of the file.
        row: its position in the file, counted from 0.

    Raises:
        SliceMissing: the lake does not have the month's file; the text contains the command to run.
        InvalidRequest: the file has no such row.
        SliceDamaged, BadFile: a file of the month cannot be read; the text contains the command to run.
        StoreUnavailable: the lake does not answer.
    """
    lake: Lake = stores["lake"]().pinned()
    with repair_command_added(dataset, month):
        return _explained(stores, lake, dataset, month, row)


def _explained(
    stores: Mapping[str, Callable[[], Any]], lake: "Lake", dataset: Dataset, month: Month, row: int
) -> Explanation:
    from taxi_assets.cleaning import open_source_row

    raw = raw_file(lake, dataset, month)
    rejected = _rejected(lake, dataset, month, row)
    clean = None if rejected else lake.row(TableSlice(dataset.path(Layer.CLEAN), month), {SOURCE_ROW: row})
    with open_source_row(raw, dataset, month, row) as one:
        values = one.values()
        if values is None:
            count = one.rows_in_file()
            raise InvalidRequest(
                f"{dataset.name} {month} has {count:,} rows, counted from 0 to {count - 1:,}: there is no row {row:,}"
            )
        broken = [_broken(rule, one) for rule in RULES if rule.name in (rejected or {}).get("rules", ())]
        rows_in_file = one.rows_in_file()
    return Explanation(
        dataset,
        month,
        row,
        rows_in_file,
        values,
        QUARANTINE if rejected else CLEAN if clean else None,
        broken,
        clean,
        {} if clean is None else {name: _in_table(stores[name], dataset, month, clean) for name in TABLE_STORES},
        _is_from_current_file(lake, dataset, month, raw),
    )


def _rejected(lake: "Lake", dataset: Dataset, month: Month, row: int) -> Mapping[str, Any] | None:
    return lake.row(TableSlice(dataset.path(Layer.QUARANTINE), month), {SOURCE_ROW: row})


def _broken(rule: Rule, row: "SourceRow") -> BrokenRule:
    others = {"voided_trip": row.refunds, "duplicate": row.earlier_copies}
    return BrokenRule(rule, others[rule.name]() if rule.name in others else ())


def _in_table(
    opening: Callable[[], Any], dataset: Dataset, month: Month, clean: Mapping[str, Any]
) -> Mapping[str, Any] | str | None:
    """The row in the table, looked up by pickup time first: tables have an index on it or are clustered by it."""
    identity = {SOURCE_ROW: clean[SOURCE_ROW]}
    piece = TableSlice(dataset.table, month)
    try:
        store = opening()
        indexed: Mapping[str, Any] | None = store.row(piece, {**identity, "pickup_datetime": clean["pickup_datetime"]})
        return indexed or store.row(piece, identity)
    except TaxiError as error:
        return str(error)


def _is_from_current_file(lake: "Lake", dataset: Dataset, month: Month, raw: RawFile) -> bool:
    try:
        known = lake.read(dataset.path(Layer.CLEAN), [month]).provenance
    except SliceMissing:
        return False
    return known.get("taxi/source_sha256") == raw.sha256
