"""The examples of docs/io-managers.md, run as they stand but for the names of bucket and project."""

import re
from pathlib import Path

import dagster as dg
import duckdb
import psycopg
import pytest
from dagster_shared.utils.warnings import BetaWarning

from taxi_assets_tests.servers.bigquery import BigQueryServer
from taxi_assets_tests.servers.gcs import GcsServer, new_bucket

DOCUMENT = (Path(__file__).parents[2] / "docs" / "io-managers.md").read_text()


def example(title: str, **replaced: str) -> dg.Definitions:
    """The definitions that the example under the title makes."""
    code = re.search(rf"^## {title}\n.*?```python\n(.*?)```", DOCUMENT, re.MULTILINE | re.DOTALL)
    assert code is not None
    text = code[1]
    for old, new in replaced.items():
        assert old.replace("_", "-") in text
        text = text.replace(old.replace("_", "-"), new)
    space: dict[str, object] = {}
    exec(text, space)  # noqa: S102 - it is the documents' own example
    assert isinstance(space["defs"], dg.Definitions)
    return space["defs"]


def assert_lands(definitions: dg.Definitions) -> None:
    """A month of both assets is the same however often it is made."""
    with dg.DagsterInstance.ephemeral() as instance:
        for _ in range(2):
            job = definitions.resolve_implicit_global_asset_job_def()
            assert job.execute_in_process(partition_key="2024-02-01", instance=instance).success
    sales = definitions.load_asset_value(["sales"], partition_key="2024-02-01")
    assert sorted(sales["amount"]) == [7.0, 12.5]
    assert definitions.load_asset_value(["revenue"], partition_key="2024-02-01")["revenue"].tolist() == [19.5]


def test_the_example_for_partitions_lands_in_one_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.warns(BetaWarning, match="backfill_policy"):
        definitions = example("Partitions")
    tags = {"dagster/asset_partition_range_start": "2024-01-30", "dagster/asset_partition_range_end": "2024-02-01"}
    with dg.DagsterInstance.ephemeral() as instance:
        job = definitions.resolve_implicit_global_asset_job_def()
        assert job.execute_in_process(tags=tags, instance=instance).success
    with duckdb.connect("weather.duckdb") as connection:
        found = connection.execute(
            "SELECT CAST(window_start AS VARCHAR), count(*) FROM public.readings GROUP BY 1 ORDER BY 1"
        ).fetchall()
    assert found == [("2024-01-30", 2), ("2024-01-31", 2), ("2024-02-01", 2)]


def test_the_example_for_gcs_lands_in_the_bucket(gcs: GcsServer) -> None:
    bucket = new_bucket()
    assert_lands(example("GCS", my_bucket=bucket.name))
    assert {blob.name for blob in bucket.list_blobs() if "/.versions/" not in blob.name} == {
        "lake/sales/month=2024-02/sales.parquet",
        "lake/revenue/month=2024-02/revenue.parquet",
    }


def test_the_example_for_postgres_lands_in_tables(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SALES_DATABASE_URL", postgres_url)
    assert_lands(example("Postgres"))


def test_the_example_for_connections_makes_a_table_in_sql(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SALES_DATABASE_URL", postgres_url)
    assert_lands(example("Postgres"))
    with dg.DagsterInstance.ephemeral() as instance:
        for _ in range(2):
            job = example("Connections").resolve_implicit_global_asset_job_def()
            assert job.execute_in_process(instance=instance).success
    with psycopg.connect(postgres_url) as connection:
        found = connection.execute("SELECT shop, amount FROM sales.sales_by_shop ORDER BY shop").fetchall()
    assert found == [("north", 12.5), ("south", 7.0)]


def test_the_example_for_bigquery_lands_in_tables(bigquery: BigQueryServer) -> None:
    assert_lands(example("BigQuery"))


def test_the_example_for_duckdb_lands_in_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert_lands(example("DuckDB"))
    assert (tmp_path / "warehouse.duckdb").exists()
