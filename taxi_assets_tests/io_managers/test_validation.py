"""What is refused when definitions load, before anything is computed."""

from pathlib import Path

import dagster as dg
import pyarrow as pa
import pytest

from taxi_assets.errors import InvalidRequest
from taxi_assets.io_managers import BigQueryIOManager, DuckDBIOManager, LakeIOManager, PostgresIOManager, storable
from taxi_assets.resources import DuckDBResource, PostgresResource
from taxi_assets.resources.google_cloud import BigQueryResource

STATIC = dg.StaticPartitionsDefinition(["JFK", "EWR"])
QUARTERS = dg.TimeWindowPartitionsDefinition(
    start="2024-01-01-00:00", fmt="%Y-%m-%d-%H:%M", cron_schedule="*/15 * * * *"
)
MULTI = dg.MultiPartitionsDefinition({"day": dg.DailyPartitionsDefinition("2024-01-01"), "station": STATIC})


def definitions(
    manager: dg.ConfigurableIOManager,
    *names: str,
    partitions: dg.PartitionsDefinition[str] | None = None,
    table: str | None = None,
) -> dg.Definitions:
    metadata = {} if table is None else {"dagster/table_name": table}
    assets = [asset(name, partitions, metadata) for name in names]
    return dg.Definitions(assets, resources={"io_manager": manager})


def asset(
    name: str,
    partitions: dg.PartitionsDefinition[str] | None = None,
    metadata: dict[str, str] | None = None,
    io_manager: str = "io_manager",
) -> dg.AssetsDefinition:
    @dg.asset(key=name.split("/"), partitions_def=partitions, metadata=metadata, io_manager_key=io_manager)
    def _asset() -> int:
        return 1

    return _asset


@pytest.fixture
def duckdb(tmp_path: Path) -> DuckDBIOManager:
    return DuckDBIOManager(duckdb=DuckDBResource(database=str(tmp_path / "w.duckdb")))


@pytest.fixture
def bigquery() -> BigQueryIOManager:
    return BigQueryIOManager(bigquery=BigQueryResource(project="project"), dataset="weather")


@pytest.fixture
def postgres() -> PostgresIOManager:
    return PostgresIOManager(postgres=PostgresResource(url=dg.EnvVar("WEATHER_DATABASE")))


@pytest.mark.parametrize("partitions", [STATIC, QUARTERS], ids=["names", "quarters of an hour"])
def test_bigquery_has_no_partitions_of_these(
    bigquery: BigQueryIOManager, partitions: dg.PartitionsDefinition[str]
) -> None:
    with pytest.raises(InvalidRequest, match=r"readings cannot be stored: BigQuery has no partition for the .* DuckDB"):
        storable(definitions(bigquery, "readings", partitions=partitions))


@pytest.mark.parametrize(
    "partitions",
    [
        dg.HourlyPartitionsDefinition("2024-01-01-00:00", timezone="Asia/Tokyo"),
        dg.DailyPartitionsDefinition("2124-01-01"),
        dg.WeeklyPartitionsDefinition("2024-01-01"),
        dg.MonthlyPartitionsDefinition("2024-01-01"),
        None,
    ],
    ids=["hours", "days", "weeks", "months", "none"],
)
def test_bigquery_has_partitions_of_those(
    bigquery: BigQueryIOManager, partitions: dg.PartitionsDefinition[str] | None
) -> None:
    given = definitions(bigquery, "readings", partitions=partitions)
    assert storable(given) is given


def test_no_store_has_partitions_of_two_dimensions(duckdb: DuckDBIOManager, tmp_path: Path) -> None:
    for manager in (duckdb, LakeIOManager(folder=str(tmp_path))):
        with pytest.raises(InvalidRequest, match="multi-dimensional partitions cannot be stored: give the asset one"):
            storable(definitions(manager, "readings", partitions=MULTI))


def test_two_assets_of_one_table_are_refused(duckdb: DuckDBIOManager, tmp_path: Path) -> None:
    words = "north/readings and south/Readings would both be stored in the table Readings"
    with pytest.raises(InvalidRequest, match=words):
        storable(definitions(duckdb, "north/readings", "south/Readings"))
    with pytest.raises(InvalidRequest, match="both be stored in the table weather"):
        storable(definitions(duckdb, "north", "south", table="public.weather"))
    storable(definitions(LakeIOManager(folder=str(tmp_path)), "north/readings", "south/readings"))


def test_names_that_differ_in_case_are_two_tables_in_postgres_and_in_bigquery(
    postgres: PostgresIOManager, bigquery: BigQueryIOManager
) -> None:
    storable(definitions(postgres, "north/readings", "south/Readings"))
    storable(definitions(bigquery, "north/readings", "south/Readings"))


def test_two_io_managers_of_one_place_share_its_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    def both(database: str, schema: str = "public") -> dg.Definitions:
        first = DuckDBIOManager(duckdb=DuckDBResource(database=str(tmp_path / "w.duckdb")))
        second = DuckDBIOManager(duckdb=DuckDBResource(database=database), schema_name=schema)
        assets = [asset("north/readings", io_manager="first"), asset("south/readings", io_manager="second")]
        return dg.Definitions(assets, resources={"first": first, "second": second})

    for schema in ("public", "PUBLIC"):
        with pytest.raises(InvalidRequest, match="both be stored in the table readings"):
            storable(both("w.duckdb", schema))
    storable(both("other.duckdb"))
    storable(both("w.duckdb", "south"))


def test_a_server_that_the_environment_names_is_one_place() -> None:
    def on(variable: str) -> PostgresIOManager:
        return PostgresIOManager(postgres=PostgresResource(url=dg.EnvVar(variable)))

    assets = [asset("north/readings", io_manager="first"), asset("south/readings", io_manager="second")]
    with pytest.raises(InvalidRequest, match="both be stored in the table readings"):
        storable(dg.Definitions(assets, resources={"first": on("WEATHER"), "second": on("WEATHER")}))
    storable(dg.Definitions(assets, resources={"first": on("NORTH"), "second": on("SOUTH")}))


@pytest.mark.filterwarnings("ignore::dagster.BetaWarning")
def test_an_io_manager_of_an_asset_itself_counts_too(duckdb: DuckDBIOManager) -> None:
    @dg.asset(io_manager_def=duckdb)
    def loaded_months() -> int:
        return 1

    with pytest.raises(InvalidRequest, match="keeps records of its own"):
        storable(dg.Definitions([loaded_months]))


def test_an_asset_that_returns_nothing_is_stored_by_no_io_manager(duckdb: DuckDBIOManager) -> None:
    @dg.asset(partitions_def=MULTI)
    def loaded_months() -> None: ...

    storable(dg.Definitions([loaded_months], resources={"io_manager": duckdb}))


def test_a_connection_that_is_configured_at_launch_is_a_place_of_its_own() -> None:
    file = DuckDBResource.configure_at_launch()
    storable(definitions(DuckDBIOManager(duckdb=file), "readings"))
    with pytest.raises(InvalidRequest, match="both be stored"):
        storable(definitions(DuckDBIOManager(duckdb=file), "north/readings", "south/readings"))


@pytest.mark.parametrize("table", ['"readings"', 'public."Readings"', "`readings`", "[readings]", "public."])
def test_quotes_are_no_part_of_a_name(duckdb: DuckDBIOManager, table: str) -> None:
    with pytest.raises(InvalidRequest, match=r"readings cannot be stored in .* write schema and table as they are"):
        storable(definitions(duckdb, "readings", table=table))


def test_a_table_in_another_schema_is_refused(
    duckdb: DuckDBIOManager, postgres: PostgresIOManager, bigquery: BigQueryIOManager
) -> None:
    for manager in (duckdb, postgres, bigquery):
        with pytest.raises(InvalidRequest, match=r"belongs in attic by its metadata .* writes to .*: change one"):
            storable(definitions(manager, "readings", table="attic.readings"))
    storable(definitions(bigquery, "readings", table="project.weather.readings"))
    elsewhere = PostgresIOManager(postgres=PostgresResource(folder="pg"), schema_name=dg.EnvVar("WEATHER_SCHEMA"))
    storable(definitions(elsewhere, "readings", table="attic.readings"))  # which may be what the variable says


@pytest.mark.parametrize(
    ("partitions", "most"),
    [
        (None, 63),
        (dg.MonthlyPartitionsDefinition("2024-01-01"), 63 - len("_2024_01_new")),
        (dg.DailyPartitionsDefinition("2024-01-01"), 63 - len("_2024_01_31_new")),
        (dg.HourlyPartitionsDefinition("2024-01-01-00:00"), 63 - len("_2024_01_31_07_30_new")),
        (dg.StaticPartitionsDefinition(["ewr", "jfk_airport"]), 63 - len("_jfk_airport_new")),
        (dg.StaticPartitionsDefinition(["John F. Kennedy International"]), 63 - len(f"_{'x' * 20}_{'0' * 8}_new")),
    ],
    ids=["none", "months", "days", "hours", "names", "long names"],
)
def test_a_name_that_postgres_would_cut_is_refused(
    postgres: PostgresIOManager, partitions: dg.PartitionsDefinition[str] | None, most: int
) -> None:
    storable(definitions(postgres, "a" * most, partitions=partitions))
    storable(definitions(postgres, "readings", partitions=partitions, table="ä" * (most // 2)))
    for table in ("a" * (most + 1), "ä" * (most // 2 + 1)):
        with pytest.raises(InvalidRequest, match="Postgres has names of up to 63 bytes, too few for"):
            storable(definitions(postgres, "readings", partitions=partitions, table=table))


def test_a_key_column_that_postgres_would_cut_is_refused(postgres: PostgresIOManager) -> None:
    days = dg.DailyPartitionsDefinition("2024-01-01")
    with pytest.raises(InvalidRequest, match="too few for kkkk"):
        storable(
            dg.Definitions([asset("readings", days, {"partition_expr": "k" * 64})], resources={"io_manager": postgres})
        )


@pytest.mark.parametrize(
    ("partitions", "partition"),
    [
        (dg.MonthlyPartitionsDefinition("2024-01-01"), "readings_2031_12"),
        (dg.MonthlyPartitionsDefinition("2024-01-01"), "readings_2024_01_new"),
        (dg.DailyPartitionsDefinition("2024-01-01"), "readings_2024_02_29"),
        (dg.StaticPartitionsDefinition(["ewr", "jfk"]), "readings_jfk"),
    ],
)
def test_a_partitions_own_table_in_postgres_is_refused(
    postgres: PostgresIOManager, partitions: dg.PartitionsDefinition[str], partition: str
) -> None:
    for assets in (
        [asset("readings", partitions), asset(partition)],
        [asset(partition), asset("readings", partitions)],
    ):
        with pytest.raises(
            InvalidRequest, match=f"readings.* and .*{partition}|{partition} and readings would both be"
        ):
            storable(dg.Definitions(assets, resources={"io_manager": postgres}))


@pytest.mark.parametrize("table", ["readings_lga", "readings_summary", "readings_2024", "readings_2024_01_31"])
def test_a_name_that_no_partition_has_is_free(postgres: PostgresIOManager, table: str) -> None:
    for partitions in (dg.StaticPartitionsDefinition(["ewr", "jfk"]), dg.MonthlyPartitionsDefinition("2024-01-01")):
        both = [asset("readings", partitions), asset(table)]
        storable(dg.Definitions(both, resources={"io_manager": postgres}))


@pytest.mark.parametrize("name", ["readings!", "rea.dings", "n" * 1025])
def test_a_name_that_bigquery_does_not_take_is_refused(bigquery: BigQueryIOManager, name: str) -> None:
    with pytest.raises(InvalidRequest, match=r"BigQuery does not take the names|belongs in rea"):
        storable(definitions(bigquery, "readings", table=name))


def test_a_key_column_that_bigquery_keeps_for_itself_is_refused(tmp_path: Path) -> None:
    manager = BigQueryIOManager(
        bigquery=BigQueryResource(project="project"), dataset="weather", key_column="_PARTITIONTIME"
    )
    days = dg.DailyPartitionsDefinition("2024-01-01")
    with pytest.raises(InvalidRequest, match="BigQuery does not take the names '_PARTITIONTIME'"):
        storable(definitions(manager, "readings", partitions=days))


@pytest.mark.parametrize(
    ("key", "words"),
    [([".versions", "readings"], "where the lake keeps versions"), (["..", "readings"], "not a path inside the lake")],
)
def test_a_folder_that_is_not_the_assets_is_refused(tmp_path: Path, key: list[str], words: str) -> None:
    @dg.asset(key=key)
    def readings() -> pa.Table:
        return pa.table({"celsius": [1.5]})

    resources = {"io_manager": LakeIOManager(folder=str(tmp_path))}
    with pytest.raises(InvalidRequest, match=words):
        storable(dg.Definitions([readings], resources=resources))
    with pytest.raises(dg.Failure, match=words):
        dg.materialize([readings], resources=resources)
    assert not list(tmp_path.iterdir())


def test_two_keys_of_one_folder_are_refused(tmp_path: Path) -> None:
    @dg.asset(key=["weather", ".", "readings"])
    def first() -> int:
        return 1

    both = [first, asset("weather/readings")]
    with pytest.raises(InvalidRequest, match="both be stored in the folder weather/readings"):
        storable(dg.Definitions(both, resources={"io_manager": LakeIOManager(folder=str(tmp_path))}))


def test_the_audit_table_is_reserved(tmp_path: Path) -> None:
    file = DuckDBResource(database=str(tmp_path / "w.duckdb"))
    with pytest.raises(InvalidRequest, match="keeps records of its own in a table loads"):
        storable(definitions(DuckDBIOManager(duckdb=file, audit_table="loads"), "Loads"))


@pytest.mark.parametrize("table", ["loaded_months", "loaded_partitions", "Loaded_Months"])
def test_a_table_of_the_store_itself_is_refused(duckdb: DuckDBIOManager, table: str) -> None:
    with pytest.raises(InvalidRequest, match=f"keeps records of its own in a table {table.lower()}. Name another"):
        storable(definitions(duckdb, f"weather/{table}"))


def test_assets_of_other_io_managers_are_none_of_its_business() -> None:
    storable(definitions(dg.FilesystemIOManager(), "readings", partitions=MULTI))
