"""Data quality checks: compare a month with its neighbours and with the catalogue.

They only warn: an unusual month may be correct.
"""

import json
from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import dagster as dg

from taxi_assets.catalog import OFTEN_LEFT_OUT, Dataset, Layer, disruption_between, published_rows
from taxi_assets.checks.monthly import monthly_check_spec
from taxi_assets.errors import SliceDamaged, SliceMissing
from taxi_assets.io_managers.common import map_errors_to_failures
from taxi_assets.jobs import clean_op_name
from taxi_assets.month import Month
from taxi_assets.partitions import month_of_run
from taxi_assets.resources import StoresResource
from taxi_assets.settings import TLC_CDN
from taxi_assets.source.synthetic import is_synthetic_provenance
from taxi_assets.stores.base import TableSlice
from taxi_assets.stores.rows import NULL_COUNTS

if TYPE_CHECKING:
    from taxi_assets.stores.lake import Lake

# Of TLC's 487 files until 2024-05, disruptions aside, none has less than 0.63 or more than 1.61 times the rows of the
# month before, and none less than 0.58 or more than 3.13 times those of the year before.
USUAL_RATIOS = {"the month before": (1, 0.55, 1.8), "the year before": (12, 0.4, 3.3)}
USUAL_QUARANTINE = 0.05  # TLC's own months have 0.6 to 1.3 %
USUAL_CHANGE_OF_NULLS = 0.25  # of the rows
USUAL_CHANGE_OF_LEFT_OUT = 0.45  # of the rows, for columns that whole companies leave out
DESCRIPTIONS = {
    "rows_as_usual": "The row count is in the usual ratio to the month before and to the year before. For a file of "
    "TLC it equals the count of May 2024, when all files were counted.",
    "nulls_as_usual": "The share of nulls in each column is close to the month before and to the year before.",
    "codes_known": "Every code is in the catalogue.",
    "quarantine_as_usual": f"At most {USUAL_QUARANTINE:.0%} of the rows are in quarantine.",
}
_FETCH_AGAIN = "If TLC has published another file: taxi run {dataset} {month}"
NEXT_STEPS = {
    "rows_as_usual": _FETCH_AGAIN,
    "nulls_as_usual": _FETCH_AGAIN,
    "codes_known": "If TLC has introduced them, add them to the catalogue: taxi_assets/catalog/{dataset}.py",
    "quarantine_as_usual": "The rows and their rules are in {dataset}/quarantined_trips; one row: "
    "taxi explain {dataset} {month} ROW",
}


def quality_checks(dataset: Dataset) -> dg.AssetChecksDefinition:
    """Checks of the clean asset against the catalogue, the month before and the year before."""
    asset = dg.AssetKey(dataset.key(Layer.CLEAN))
    spec = partial(monthly_check_spec, dataset, Layer.CLEAN)

    @dg.multi_asset_check(
        name=f"{clean_op_name(dataset)}_as_usual",
        specs=[spec(name, description=text) for name, text in DESCRIPTIONS.items()],
        can_subset=True,
    )
    def clean_as_usual(context: dg.AssetCheckExecutionContext, stores: StoresResource) -> Iterator[dg.AssetCheckResult]:
        from taxi_assets.cleaning.unknown_codes import unknown_codes

        with map_errors_to_failures():
            file = _File(stores.lake().pinned(), dataset, month_of_run(context))
            results = {
                "rows_as_usual": _rows_as_usual(file),
                "nulls_as_usual": _nulls_as_usual(file),
                "codes_known": _codes_known(unknown_codes(file.clean, dataset)),
                "quarantine_as_usual": _quarantine_as_usual(file),
            }
        for name, finding in results.items():
            key = dg.AssetCheckKey(asset, name)
            if key in context.selected_asset_check_keys:
                yield finding.result(key, file)

    return clean_as_usual


class _File:
    """A month's source file and clean rows in the lake, and the months to compare them with."""

    def __init__(self, lake: "Lake", dataset: Dataset, month: Month) -> None:
        self.lake = lake
        self.dataset = dataset
        self.month = month
        self.clean = lake.read(dataset.path(Layer.CLEAN), [month])
        self.url = self.clean.provenance.get("taxi/source_url", "")
        self.rows = self.rows_of(month)

    def rows_of(self, month: Month) -> int:
        """Rows in that month's source file; 0 if the lake does not have it."""
        return self.lake.file_rows(self.dataset.path(Layer.RAW), self.dataset.file_name(month))

    def null_shares(self, month: Month) -> Mapping[str, float]:
        """Share of nulls in a month's clean rows, by column; empty if the lake lacks the month or its counts."""
        piece = TableSlice(self.dataset.path(Layer.CLEAN), month)
        rows = self.lake.count(piece)
        if not rows:
            return {}
        counts = self.lake.read(piece.table, [month]).provenance.get(NULL_COUNTS, "{}")
        return {name: round(nulls / rows, 4) for name, nulls in json.loads(counts).items()}

    def is_same_kind(self, month: Month) -> bool:
        """Whether both months are synthetic or both are real; True if the lake lacks the other one."""
        try:
            other = self.lake.read(self.dataset.path(Layer.CLEAN), [month])
        except (SliceMissing, SliceDamaged):
            return True
        return is_synthetic_provenance(other.provenance) == is_synthetic_provenance(self.clean.provenance)

    def begins_or_ends(self, column: str, other: Month) -> bool:
        """Whether, by the catalogue, only one of the two months has values in the column."""
        known = self.dataset.has(column)
        return known and self.dataset.has_values(column, self.month) != self.dataset.has_values(column, other)

    def comparable(self) -> Iterator[tuple[str, Month]]:
        """The months to compare this one with, each with its relation to this one."""
        for name, (months, _, _) in USUAL_RATIOS.items():
            other = self.month.plus(-months)
            if other < self.dataset.first_month or disruption_between(self.dataset, self.month, other) is not None:
                continue
            if self.is_same_kind(other):
                yield name, other


class _Finding:
    """The outcome of a check: warnings, a line each, and the numbers as metadata."""

    def __init__(self, odd: list[str], **metadata: Any) -> None:
        self._odd = odd
        self._metadata = metadata

    def result(self, key: dg.AssetCheckKey, file: _File) -> dg.AssetCheckResult:
        next_step = NEXT_STEPS[key.name].format(dataset=file.dataset.name, month=file.month)
        text = f"{file.dataset.name} {file.month} in the lake: {'; '.join(self._odd)}. {next_step}"
        return dg.AssetCheckResult(
            asset_key=key.asset_key,
            check_name=key.name,
            passed=not self._odd,
            severity=dg.AssetCheckSeverity.WARN,
            description=text if self._odd else None,
            metadata=self._metadata,
        )


def _rows_as_usual(file: _File) -> _Finding:
    odd, facts = [], {"rows": file.rows}
    published = published_rows(file.dataset, file.month) if file.url.startswith(TLC_CDN) else None
    if published is not None:
        facts["published"] = published
        if file.rows != published:
            odd.append(f"{file.rows:,} rows instead of {published:,}: TLC has published the month anew")
    for name, other in file.comparable():
        _, lowest, highest = USUAL_RATIOS[name]
        try:
            rows = file.rows_of(other)
        except SliceDamaged as error:
            odd.append(_not_comparable(file, name, other, error))
            continue
        if rows:
            facts[name.replace(" ", "_")] = rows
            ratio = file.rows / rows
            if not lowest <= ratio <= highest:
                odd.append(f"{ratio:.2f} times the rows of {name}, {other}")
    return _Finding(odd, **facts)


def _nulls_as_usual(file: _File) -> _Finding:
    odd, shares = [], file.null_shares(file.month)
    for name, other in file.comparable():
        try:
            usual_shares = file.null_shares(other)
        except SliceDamaged as error:
            odd.append(_not_comparable(file, name, other, error))
            continue
        for column, usual in usual_shares.items():
            share = shares.get(column, 1.0)
            most = USUAL_CHANGE_OF_LEFT_OUT if column in OFTEN_LEFT_OUT else USUAL_CHANGE_OF_NULLS
            if abs(share - usual) > most and not file.begins_or_ends(column, other):
                odd.append(f"{column} is missing in {share:.0%} of the rows, and was in {usual:.0%} in {name}, {other}")
    return _Finding(odd, null_shares=dg.MetadataValue.json(dict(shares)))


def _not_comparable(file: _File, name: str, other: Month, error: SliceDamaged) -> str:
    return f"not compared with {name}, whose file is damaged: {error}: taxi run {file.dataset.name} {other}"


def _codes_known(strange: Mapping[str, Mapping[str, int]]) -> _Finding:
    odd = [
        f"{column} {code} in {rows:,} row{'' if rows == 1 else 's'}"
        for column, codes in strange.items()
        for code, rows in codes.items()
    ]
    return _Finding(odd, unknown=dg.MetadataValue.json({column: dict(codes) for column, codes in strange.items()}))


def _quarantine_as_usual(file: _File) -> _Finding:
    rejected = file.lake.count(TableSlice(file.dataset.path(Layer.QUARANTINE), file.month))
    share = rejected / file.rows if file.rows else 0.0
    odd = [f"{share:.1%} of the rows broke a rule"] if share > USUAL_QUARANTINE else []
    return _Finding(odd, share=round(share, 4), rejected=rejected)
