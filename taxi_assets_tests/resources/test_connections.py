"""Connections as resources: what a SQL asset gets, and what is left where its body raises."""

import subprocess
import sys
from pathlib import Path

import dagster as dg
import dagster_duckdb
import duckdb as duckdb_driver
import psycopg
import pytest

from taxi_assets.resources import DuckDBResource, PostgresResource
from taxi_assets_tests.stores.servers import new_database

COUNT = "import duckdb, sys; print(duckdb.connect(sys.argv[1]).execute('SELECT count(*) FROM sales').fetchone()[0])"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "sales.duckdb"
    with duckdb_driver.connect(path) as connection:
        connection.execute("CREATE TABLE sales AS SELECT 1 AS amount")
    return path


def inserted_and_failed(resource: dagster_duckdb.DuckDBResource) -> Exception:
    """A body that raises half-way; the error is kept, as a log or a debugger keeps its traceback."""
    try:
        with resource.get_connection() as connection:
            connection.execute("BEGIN")
            connection.execute("INSERT INTO sales VALUES (2)")
            raise RuntimeError("half-way")  # noqa: TRY301 - as the body of an asset does
    except RuntimeError as error:
        return error


def counted_elsewhere(file: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", COUNT, file], capture_output=True, text=True, check=False)


def test_a_body_that_raises_leaves_the_duckdb_file_free_and_unchanged(file: Path) -> None:
    kept = inserted_and_failed(DuckDBResource(database=str(file)))
    assert counted_elsewhere(file).stdout == "1\n", kept


def test_dagster_s_own_resource_keeps_the_file_locked_which_is_why_there_is_one_of_ours(file: Path) -> None:
    """Where this fails, dagster-duckdb closes its connections by itself, and the subclass can go."""
    kept = inserted_and_failed(dagster_duckdb.DuckDBResource(database=str(file)))
    assert "Conflicting lock" in counted_elsewhere(file).stderr, kept


def test_an_asset_in_sql_runs_on_duckdb(file: Path) -> None:
    @dg.asset
    def doubled(duckdb: DuckDBResource) -> None:
        with duckdb.get_connection() as connection:
            connection.execute("CREATE TABLE doubled AS SELECT 2 * amount AS amount FROM sales")

    assert dg.materialize([doubled], resources={"duckdb": DuckDBResource(database=str(file))}).success
    with duckdb_driver.connect(file, read_only=True) as connection:
        assert connection.execute("FROM doubled").fetchall() == [(2,)]


def test_an_asset_in_sql_runs_on_postgres(postgres_url: str) -> None:
    url = new_database(postgres_url)

    @dg.asset
    def sales(postgres: PostgresResource) -> None:
        with postgres.get_connection() as connection:
            connection.execute("CREATE TABLE sales AS SELECT 1 AS amount")

    assert dg.materialize([sales], resources={"postgres": PostgresResource(url=url)}).success
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT amount FROM sales").fetchall() == [(1,)]


def test_a_body_that_raises_is_rolled_back_in_postgres_and_its_connection_closed(postgres_url: str) -> None:
    resource = PostgresResource(url=new_database(postgres_url))
    with pytest.raises(RuntimeError), resource.get_connection() as connection:
        connection.execute("CREATE TABLE half_way (amount int)")
        raise RuntimeError
    assert connection.closed
    with resource.get_connection() as connection:
        assert connection.execute("SELECT to_regclass('half_way')").fetchone() == (None,)


@pytest.mark.parametrize("fields", [{}, {"url": "postgresql://127.0.0.1/taxi", "folder": "postgres"}])
def test_postgres_is_one_server(fields: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="either the url of a server or the folder of an embedded one"):
        PostgresResource(**fields)
