"""A conformance kit: certify that an IO manager replaces slices atomically. The only module that needs pytest.

It goes through Dagster's public interface alone, runs and a reader of yours, so that any IO manager for tables or files
with partitions by day fits. It imports nothing else of this package.

Examples:
    class TestMyIOManager(AtomicSliceReplace):
        @pytest.fixture
        def make_io_manager(self, tmp_path):
            return partial(DuckDBPandasIOManager, database=str(tmp_path / "my.duckdb"), schema="public")

        @pytest.fixture
        def read_rows(self, tmp_path):
            def rows():
                with duckdb.connect(tmp_path / "my.duckdb") as connection:
                    return connection.sql("FROM public.readings").to_arrow_table().to_pylist()

            return rows
"""

import pytest

pytest.register_assert_rewrite("taxi_assets.testing.contract", "taxi_assets.testing.faults", "taxi_assets.testing.rows")

from taxi_assets.testing.contract import AtomicSliceReplace  # noqa: E402 - after pytest knows whose asserts to explain

__all__ = ["AtomicSliceReplace"]
