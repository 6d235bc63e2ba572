"""A run that is given up while it loads publishes nothing over its successor, in any store."""

from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pytest

from taxi_assets.io_managers import (
    BigQueryIOManager,
    DuckDBIOManager,
    GCSLakeIOManager,
    LakeIOManager,
    PostgresIOManager,
)
from taxi_assets.resources import DuckDBResource, PostgresResource
from taxi_assets.resources.google_cloud import BigQueryResource, GCSResource
from taxi_assets.stores.lake.gcs.versions import Versions
from taxi_assets.stores.rows import Rows
from taxi_assets_tests.servers.gcs import new_bucket
from taxi_assets_tests.stores.servers import new_database

SCHEMA = pa.schema({"row": pa.int64()})
Manager = Callable[[Path, pytest.FixtureRequest], dg.ConfigurableIOManager]


def folder(path: Path, _: pytest.FixtureRequest) -> dg.ConfigurableIOManager:
    return LakeIOManager(folder=str(path / "lake"))


def duckdb(path: Path, _: pytest.FixtureRequest) -> dg.ConfigurableIOManager:
    return DuckDBIOManager(duckdb=DuckDBResource(database=str(path / "warehouse.duckdb")))


def postgres(_: Path, request: pytest.FixtureRequest) -> dg.ConfigurableIOManager:
    url = new_database(request.getfixturevalue("postgres_url"))
    return PostgresIOManager(postgres=PostgresResource(url=url))


def bucket(_: Path, request: pytest.FixtureRequest) -> dg.ConfigurableIOManager:
    request.getfixturevalue("gcs")
    return GCSLakeIOManager(gcs=GCSResource(project="project"), url=f"gs://{new_bucket().name}/lake")


def bigquery(path: Path, request: pytest.FixtureRequest) -> dg.ConfigurableIOManager:
    request.getfixturevalue("bigquery")
    return BigQueryIOManager(
        bigquery=BigQueryResource(project="project"), dataset=f"fence_{path.name}".replace("-", "_")
    )


def rows_of(number: int, meanwhile: Callable[[], None]) -> Rows:
    """One row, and what happens when the store has read it."""

    def batches() -> Iterator[pa.RecordBatch]:
        yield pa.RecordBatch.from_pydict({"row": [number]}, schema=SCHEMA)
        meanwhile()

    return Rows(SCHEMA, batches)


@pytest.mark.parametrize("manager", [folder, duckdb, postgres, bucket, bigquery])
def test_a_run_that_is_given_up_while_it_loads_leaves_what_was_there(
    tmp_path: Path, request: pytest.FixtureRequest, manager: Manager
) -> None:
    given_up = False

    @dg.asset
    def sales(context: dg.AssetExecutionContext) -> Rows:
        def meanwhile() -> None:
            if given_up:
                context.instance.report_run_failed(context.run, "its lease is free for 20 s")

        return rows_of(2 if given_up else 1, meanwhile)

    with dg.DagsterInstance.ephemeral() as instance:
        definitions = dg.Definitions([sales], resources={"io_manager": manager(tmp_path, request)})
        job = definitions.resolve_implicit_global_asset_job_def()
        assert job.execute_in_process(instance=instance).success
        given_up = True
        result = job.execute_in_process(instance=instance, raise_on_error=False)
        assert not result.success
        assert definitions.load_asset_value("sales", python_type=pa.Table)["row"].to_pylist() == [1]


def test_a_run_given_up_after_it_read_the_pointer_does_not_replace_it(
    tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last moment at which a machine can stand still: all is uploaded, and the generation to replace is known."""
    made = bucket(tmp_path, request)
    given_up = False
    switch = Versions.switch

    @dg.asset
    def sales(context: dg.AssetExecutionContext) -> pa.Table:
        def switch_late(*arguments: object) -> object:
            if given_up:
                context.instance.report_run_failed(context.run, "its lease is free for 20 s")
            return switch(*arguments)

        monkeypatch.setattr(Versions, "switch", switch_late)
        return pa.table({"row": [2 if given_up else 1]})

    with dg.DagsterInstance.ephemeral() as instance:
        definitions = dg.Definitions([sales], resources={"io_manager": made})
        job = definitions.resolve_implicit_global_asset_job_def()
        assert job.execute_in_process(instance=instance).success
        given_up = True
        assert not job.execute_in_process(instance=instance, raise_on_error=False).success
        assert definitions.load_asset_value("sales", python_type=pa.Table)["row"].to_pylist() == [1]
