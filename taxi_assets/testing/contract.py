"""What an IO manager has to hold to be called atomic by slice: a class of tests to inherit from."""

import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.context import BaseContext
from typing import Any, ClassVar

import dagster as dg
import pyarrow as pa
import pytest

from taxi_assets.testing.faults import killed_after, reading, seconds_of_a_replace
from taxi_assets.testing.rows import (
    CHANGES,
    FIRST,
    SECOND,
    THIRD,
    VALUES,
    Row,
    broken_off,
    comparable,
    expected,
    held_version,
    of_day,
    version_of_day,
)
from taxi_assets.testing.runs import MakeIOManager, ReplaceByVersion, load, materialize

ReadRows = Callable[[], Iterable[Row]]
Put = Callable[..., str | None]


class AtomicSliceReplace:
    """After a replace a slice holds exactly the new rows; after a failure, the old ones; and its neighbours stay.

    A subclass called `Test…` has the fixtures `make_io_manager` and `read_rows`, and overrides `frame` if its IO
    manager takes no pandas.DataFrame. The asset is called `readings`, is partitioned by day, and names its column `day`
    by the metadata `partition_expr`, as Dagster's own IO managers for databases want it.
    """

    #: How many processes are killed, around the moment at which the slice changes.
    kills: ClassVar[int] = 15
    #: How often the slice is replaced while it is read.
    replaces: ClassVar[int] = 10
    #: Rows of a slice that is killed, or read meanwhile.
    rows: ClassVar[int] = 20_000

    @pytest.fixture
    def make_io_manager(self) -> MakeIOManager:
        """A function that makes the IO manager, always on the same new place; can be pickled, as a `partial` can."""
        pytest.fail("override the fixture `make_io_manager` with a function that makes your IO manager")

    @pytest.fixture
    def read_rows(self) -> ReadRows:
        """A function that reads all rows of `readings` from the store itself, by SQL or from files, not by Dagster."""
        pytest.fail("override the fixture `read_rows` with a function that reads all rows of `readings` from the store")

    @staticmethod
    def frame(table: pa.Table) -> Any:
        """What the asset returns; integers and booleans beside a null keep their types."""
        import pandas as pd

        nullable = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}
        return table.to_pandas(types_mapper=nullable.get)

    @staticmethod
    def stream(_: pa.RecordBatchReader) -> Any:
        """A stream that the asset returns, for an IO manager that takes any."""
        pytest.skip("the IO manager takes no streams: `stream` is not overridden")

    @classmethod
    def processes(cls) -> BaseContext:
        """How processes are started: forked off one that has imported this class's module."""
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["taxi_assets.testing", cls.__module__])
        return context

    @pytest.fixture(scope="class")
    @classmethod
    def instance(cls) -> Iterator[dg.DagsterInstance]:
        """Records the runs."""
        with dg.DagsterInstance.ephemeral() as instance:
            yield instance

    @pytest.fixture
    def put(self, instance: dg.DagsterInstance, make_io_manager: MakeIOManager) -> Put:
        """Stores a table: of a day, of several days in one run, or as a whole; returns how that failed."""

        def put(table: pa.Table, first: str | None = None, last: str | None = None) -> str | None:
            return materialize(instance, make_io_manager, lambda: self.frame(table), first, last)

        return put

    # What a replace leaves

    def test_a_slice_holds_exactly_the_new_rows(self, put: Put, read_rows: ReadRows) -> None:
        for version, count in ((1, 5), (2, 3), (3, 7)):
            assert put(version_of_day(SECOND, version, count), SECOND) is None
            assert held_version(read_rows(), SECOND, count) == version
            assert len(list(read_rows())) == count

    def test_the_same_again_changes_nothing(self, put: Put, read_rows: ReadRows) -> None:
        tables = [version_of_day(SECOND, 1, 5)]
        for _ in range(2):
            assert put(tables[0], SECOND) is None
            assert_rows(read_rows, tables)

    def test_neighbours_stay(self, put: Put, read_rows: ReadRows) -> None:
        tables = {day: version_of_day(day, 1, 5) for day in (SECOND, FIRST, THIRD)}
        for day, table in tables.items():
            assert put(table, day) is None
        tables[SECOND] = version_of_day(SECOND, 2, 4)
        assert put(tables[SECOND], SECOND) is None
        assert_rows(read_rows, list(tables.values()))

    def test_a_slice_without_rows_is_empty_and_its_neighbours_stay(self, put: Put, read_rows: ReadRows) -> None:
        tables = [version_of_day(day, 1, 5) for day in (FIRST, SECOND)]
        for table, day in zip(tables, (FIRST, SECOND), strict=True):
            assert put(table, day) is None
        assert put(tables[1].slice(0, 0), SECOND) is None
        assert_rows(read_rows, tables[:1])

    def test_a_slice_without_rows_can_be_loaded(
        self, instance: dg.DagsterInstance, put: Put, make_io_manager: MakeIOManager
    ) -> None:
        empty = version_of_day(SECOND, 1, 0)
        assert put(empty, SECOND) is None
        assert len(load(instance, make_io_manager, type(self.frame(empty)), SECOND)) == 0

    def test_what_is_stored_is_loaded_by_the_day(
        self, instance: dg.DagsterInstance, put: Put, make_io_manager: MakeIOManager
    ) -> None:
        for day, count in ((FIRST, 3), (SECOND, 5)):
            assert put(version_of_day(day, 1, count), day) is None
        kind = type(self.frame(version_of_day(FIRST, 1, 1)))
        assert [len(load(instance, make_io_manager, kind, day)) for day in (FIRST, SECOND)] == [3, 5]

    def test_several_slices_are_replaced_in_one_run(self, put: Put, read_rows: ReadRows) -> None:
        old = [version_of_day(day, 1, 5) for day in (FIRST, SECOND, THIRD)]
        assert put(pa.concat_tables(old), FIRST, THIRD) is None
        new = [version_of_day(day, 2, 3) for day in (FIRST, SECOND)]
        assert put(pa.concat_tables(new), FIRST, SECOND) is None
        assert_rows(read_rows, [*new, old[2]])

    def test_a_table_without_partitions_is_replaced_as_a_whole(self, put: Put, read_rows: ReadRows) -> None:
        for version, count in ((1, 5), (2, 3)):
            table = version_of_day(SECOND, version, count)
            assert put(table) is None
            assert_rows(read_rows, [table])

    # What a failure leaves

    def test_rows_that_do_not_fit_leave_the_old_ones_where_they_are_refused(
        self, put: Put, read_rows: ReadRows
    ) -> None:
        old = [of_day(day, value=pa.array([1, 2])) for day in (FIRST, SECOND)]
        assert [put(table, day) for table, day in zip(old, (FIRST, SECOND), strict=True)] == [None, None]
        strange = of_day(SECOND, value=pa.array(["1", "2", "not a number"]))
        is_refused = put(strange, SECOND) is not None
        assert_rows(read_rows, old if is_refused else [old[0], strange])

    def test_a_stream_that_breaks_half_way_leaves_the_old_rows(
        self, instance: dg.DagsterInstance, make_io_manager: MakeIOManager, read_rows: ReadRows
    ) -> None:
        old, new = (version_of_day(SECOND, version, 600) for version in (1, 2))
        whole, broken = self.stream(old.to_reader()), self.stream(broken_off(new))
        assert materialize(instance, make_io_manager, lambda: whole, SECOND) is None
        assert materialize(instance, make_io_manager, lambda: broken, SECOND) is not None
        assert_rows(read_rows, [old])

    def test_rows_of_another_slice_change_no_neighbour(self, put: Put, read_rows: ReadRows) -> None:
        """Rows of the first day that are brought to the second are refused, or stored there; but never pile up."""
        first = version_of_day(FIRST, 1, 5)
        assert put(first, FIRST) is None
        stray = version_of_day(FIRST, 2, 3)
        found = []
        for _ in range(2):
            put(stray, SECOND)
            found.append(comparable(read_rows(), stray.column_names))
        assert found[0] == found[1]
        assert [row for row in found[0] if row[1]["version"] == 1] == expected([first])[0]

    def test_a_killed_process_leaves_the_old_or_the_new_rows(
        self, instance: dg.DagsterInstance, make_io_manager: MakeIOManager, read_rows: ReadRows
    ) -> None:
        """Each kill comes later than one that left the old rows, and earlier than one that left new ones."""
        replace, context = ReplaceByVersion(make_io_manager, self.frame, self.rows), self.processes()
        replace(instance, 1)
        seconds = seconds_of_a_replace(replace, 2, context)
        moment, step, version = seconds / 2, seconds / 4, 2
        for _ in range(self.kills):
            replace(instance, version)
            killed = killed_after(moment, replace, version + 1, context)
            found = held_version(read_rows(), SECOND, self.rows)
            assert found in (version if killed.stored is None else killed.stored, killed.begun), (
                f"killed {1000 * moment:.0f} ms after the process had begun to store version {version + 1}"
            )
            moment = max(0, moment + (step if found == version else -step))
            step = max(step / 2, seconds / 20)
            version = killed.begun + 1
        replace(instance, version)
        assert held_version(read_rows(), SECOND, self.rows) == version

    def test_a_reader_sees_the_old_or_the_new_rows(
        self, instance: dg.DagsterInstance, make_io_manager: MakeIOManager, read_rows: ReadRows
    ) -> None:
        replace = ReplaceByVersion(make_io_manager, self.frame, self.rows)
        replace(instance, 0)
        with reading(lambda: held_version(read_rows(), SECOND, self.rows)) as seen:
            for version in range(1, self.replaces + 1):
                replace(instance, version)
        assert seen.found, f"no read succeeded: {seen.errors[-1:]}"
        assert [one for one in seen.found if isinstance(one, str)] == []
        assert seen.found == sorted(seen.found)

    # Columns and values

    def test_columns_land_by_name_in_whatever_order_they_come(self, put: Put, read_rows: ReadRows) -> None:
        tables = [of_day(FIRST, tip=[1], toll=[2]), of_day(SECOND, toll=[4], tip=[3])]
        for table, day in zip(tables, (FIRST, SECOND), strict=True):
            assert put(table, day) is None
        assert_rows(read_rows, tables)

    @pytest.mark.parametrize("order", [slice(None), slice(None, None, -1)], ids=["is new", "is gone"])
    def test_a_column_that_only_one_slice_has_is_null_in_the_other(
        self, put: Put, read_rows: ReadRows, order: slice
    ) -> None:
        tables = [(FIRST, of_day(FIRST, fare=[1])), (SECOND, of_day(SECOND, fare=[2], fee=[0.5]))][order]
        for day, table in tables:
            assert put(table, day) is None
        assert_rows(read_rows, [table for _, table in tables])

    @pytest.mark.parametrize("kind", VALUES)
    def test_values_are_kept(self, put: Put, read_rows: ReadRows, kind: str) -> None:
        table = of_day(SECOND, row=list(range(len(VALUES[kind]))), value=VALUES[kind])
        assert put(table, SECOND) is None
        assert_rows(read_rows, [table])

    @pytest.mark.parametrize("change", CHANGES)
    def test_another_type_is_kept_or_refused(self, put: Put, read_rows: ReadRows, change: str) -> None:
        before, after = (of_day(day, value=one) for day, one in zip((FIRST, SECOND), CHANGES[change], strict=True))
        assert put(before, FIRST) is None
        is_refused = put(after, SECOND) is not None
        assert_rows(read_rows, [before] if is_refused else [before, after])


def assert_rows(read_rows: ReadRows, tables: list[pa.Table]) -> None:
    """The store has the rows of these tables, and no others."""
    wanted, names = expected(tables)
    assert comparable(read_rows(), names) == wanted
