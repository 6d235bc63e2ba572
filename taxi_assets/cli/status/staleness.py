"""What the months of a dataset were cleaned by, from Dagster's data versions, compared with the current catalogue.

Three queries answer for all months; no materialization is read. Which months are older than the source's file is
known in `history`.
"""

from collections.abc import Mapping

import dagster as dg

from taxi_assets.automation.event_log import data_versions
from taxi_assets.catalog import RULES, TRIPS_IN, Dataset, Layer, Store
from taxi_assets.cleaning.rows_version import CleaningVersions, RowsVersion
from taxi_assets.month import Month

_NAMES = {rule.name for rule in RULES}


class RecordedVersions:
    """The versions of one dataset's months in each store, as Dagster records them."""

    def __init__(self, instance: dg.DagsterInstance, dataset: Dataset) -> None:
        self._current = CleaningVersions(dataset)
        self._recorded = {
            layer: {key: version for key, text in texts.items() if (version := RowsVersion.parse(text)) is not None}
            for layer, texts in data_versions(instance, dataset).items()
        }

    def changes(self, store: str, month: Month) -> tuple[str, ...]:
        """What changed in the catalogue since the store's month was cleaned, for example `rules changed`."""
        recorded = self._recorded[TRIPS_IN[Store(store)]].get(str(month))
        return () if recorded is None else self._current.changes_since(recorded, month)

    def rules(self) -> Mapping[Month, tuple[str, ...] | None]:
        """Month -> the rules that the lake's rows were made by, without names that no rule has now.

        None stands for the default set.
        """
        return {
            Month.parse(key): None if version.rules is None else tuple(name for name in version.rules if name in _NAMES)
            for key, version in self._recorded[Layer.CLEAN].items()
        }
