"""What every store does with partitions that are no months: windows of days and hours, and names."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pandas as pd
import pyarrow as pa
import pytest

from taxi_assets.errors import SchemaMismatch, SliceMissing
from taxi_assets.month import Month
from taxi_assets.stores.base import TableSlice
from taxi_assets.stores.partition import Named, Partition, Window, key_column
from taxi_assets.stores.rows import Rows

from .versions import AnyStore

NEW_YORK = ZoneInfo("America/New_York")


def days(first: date, count: int = 1) -> Window:
    return Window(first, first + timedelta(days=count))


def hour(start: datetime, minutes: int = 60) -> Window:
    return Window(start.astimezone(UTC), start.astimezone(UTC) + timedelta(minutes=minutes))


KINDS: dict[str, tuple[Partition, Partition]] = {
    "days": (days(date(2024, 1, 31)), days(date(2024, 2, 1))),
    "weeks": (days(date(2024, 1, 28), 7), days(date(2024, 2, 4), 7)),
    "hours": (hour(datetime(2024, 11, 3, 5, tzinfo=UTC)), hour(datetime(2024, 11, 3, 6, tzinfo=UTC))),
    # The hour that New York has twice: 01:00 EDT and 01:00 EST
    "hours of a zone": (
        hour(datetime(2024, 11, 3, 1, tzinfo=NEW_YORK)),
        hour(datetime(2024, 11, 3, 1, fold=1, tzinfo=NEW_YORK)),
    ),
    "quarters of an hour": (
        hour(datetime(2024, 1, 1, 5, 45, tzinfo=UTC), 15),
        hour(datetime(2024, 1, 1, 6, tzinfo=UTC), 15),
    ),
    "names": (Named("JFK"), Named("""Łódź "of" it's; 100% {} %s/a=b""")),
}


def readings(*values: float) -> Rows:
    return Rows.from_table(pa.table({"row": range(len(values)), "value": pa.array(values, pa.float64())}))


class PartitionContract:
    """A part of `StoreContract`."""

    readings = "weather"
    #: The key column of the fixture's store; None is the default of the partitions' kind.
    key_column: str | None = "source_month"
    #: Kinds that the store has no partitions for.
    refused: frozenset[str] = frozenset()

    def pair(self, kind: str) -> tuple[Partition, Partition]:
        if kind in self.refused:
            pytest.skip("the store refuses them, which its own tests show")
        return KINDS[kind]

    def values(self, store: AnyStore, *partitions: Partition) -> list[float]:
        found = store.read(self.readings, list(partitions) or None).to_table().sort_by("value")
        values: list[float] = found["value"].to_pylist()
        return values

    @pytest.mark.parametrize("kind", KINDS)
    def test_a_partition_is_replaced_and_its_neighbour_stays(self, store: AnyStore, kind: str) -> None:
        first, second = self.pair(kind)
        for partition, values in ((second, (2.0,)), (first, (1.0, 1.5)), (first, (1.25,))):
            store.replace(TableSlice(self.readings, partition), readings(*values))
        assert store.keys(self.readings) == sorted([first.key, second.key])
        assert [store.count(TableSlice(self.readings, one)) for one in (first, second)] == [1, 1]
        assert self.values(store, first) == [1.25]
        assert self.values(store, second, first) == self.values(store) == [1.25, 2.0]
        assert (store.row(TableSlice(self.readings, second), {"row": 0}) or {})["value"] == 2.0

    @pytest.mark.parametrize("kind", KINDS)
    def test_a_partition_without_rows_is_there_and_a_missing_one_is_named(self, store: AnyStore, kind: str) -> None:
        first, second = self.pair(kind)
        store.replace(TableSlice(self.readings, first), readings())
        assert store.keys(self.readings) == [first.key]
        assert self.values(store, first) == []
        with pytest.raises(SliceMissing) as caught:
            store.read(self.readings, [first, second])
        assert str(second) in str(caught.value)

    @pytest.mark.parametrize("kind", ["days", "hours", "names"])
    def test_rows_may_bring_the_key(self, store: AnyStore, kind: str) -> None:
        first, second = self.pair(kind)
        column = key_column(self.key_column, first)
        key, other = (one.key if isinstance(one.key, str) else pd.Timestamp(one.key) for one in (first, second))
        for brought in (key, str(first.key) if kind == "days" else key):
            frame = pd.DataFrame({"row": [0, 1], "value": [1.0, 2.0], column: [brought, brought]})
            store.replace(TableSlice(self.readings, first), Rows.from_pandas(frame))
            assert store.read(self.readings, [first]).to_table()[column].to_pylist() == [first.key] * 2
        frame[column] = pd.Series([key, other])
        with pytest.raises(SchemaMismatch, match=f"{column} must hold the"):
            store.replace(TableSlice(self.readings, first), Rows.from_pandas(frame))
        assert self.values(store) == [1.0, 2.0]

    @pytest.mark.parametrize(
        ("held", "brought"),
        [
            (days(date(2024, 1, 2)), hour(datetime(2024, 1, 2, tzinfo=UTC))),
            (days(date(2024, 1, 2)), Month(2024, 1)),
            (days(date(2024, 1, 2)), days(date(2024, 1, 1), 7)),
            (hour(datetime(2024, 1, 2, 1, tzinfo=UTC)), hour(datetime(2024, 1, 2, tzinfo=UTC), 240)),
        ],
        ids=["days to hours", "days to months", "days to weeks", "hours to four hours"],
    )
    def test_changed_windows_are_refused_and_the_rows_stay(
        self, store: AnyStore, held: Partition, brought: Partition
    ) -> None:
        store.replace(TableSlice(self.readings, held), readings(1.0))
        with pytest.raises(SchemaMismatch, match="materialize it again"):
            store.replace(TableSlice(self.readings, brought), readings(2.0))
        assert self.values(store) == [1.0]
