"""The asset graph as a whole: what it holds, and that it loads whatever the environment says."""

import itertools
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.remote_representation.external_data import RepositorySnap

from taxi_assets.catalog import DATASETS, Layer
from taxi_assets.definitions import build_definitions, defs
from taxi_assets.errors import InvalidRequest
from taxi_assets.settings import Settings

SOURCES = [None, "https://example.org/tlc", "http://127.0.0.1:1/", "file:///srv/tlc", "/srv/tlc", "tlc", "sample"]
LAKES = [None, "/srv/lake", "lake", "gs://bucket", "gs://bucket/some/prefix"]
POSTGRES = [None, "embedded", "postgresql://taxi:secret@127.0.0.1:5432/taxi", "postgresql:///taxi?host=/run"]
WAREHOUSES = [
    None,
    "duckdb:///warehouse.duckdb",
    "duckdb:////srv/w.duckdb",
    "bigquery://p/d",
    "bigquery://p/d?location=EU",
    "bigquery://p/d?location=EU&require_partition_filter=true",
]
FORMS = {"TAXI_SOURCE": SOURCES, "TAXI_LAKE": LAKES, "TAXI_POSTGRES": POSTGRES, "TAXI_WAREHOUSE": WAREHOUSES}
ACCEPTED = [(variable, value) for variable, values in FORMS.items() for value in values]
REFUSED = [
    ("TAXI_SOURCE", "ftp://example.org"),
    ("TAXI_SOURCE", "https://"),
    ("TAXI_LAKE", "s3://bucket"),
    ("TAXI_LAKE", "gs://"),
    ("TAXI_POSTGRES", "mysql://taxi:secret@host/taxi"),
    ("TAXI_POSTGRES", "embeded"),
    ("TAXI_POSTGRES", "postgresql://taxi:secret@host:port/taxi"),
    ("TAXI_WAREHOUSE", "warehouse.duckdb"),
    ("TAXI_WAREHOUSE", "bigquery://project"),
    ("TAXI_WAREHOUSE", "bigquery://project/data-set"),
    ("TAXI_WAREHOUSE", "bigquery://project/dataset?lokation=US"),
    ("TAXI_WAREHOUSE", "bigquery://project/dataset?require_partition_filter=maybe"),
    ("TAXI_WAREHOUSE", "snowflake://account"),
]


def settings_with(tmp_path: Path, **variables: str | None) -> Settings:
    given = {name: value for name, value in variables.items() if value is not None}
    return Settings.from_environment({"TAXI_HOME": str(tmp_path), **given})


@pytest.mark.parametrize(("variable", "value"), ACCEPTED)
def test_the_definitions_load_with_every_form_of_every_variable(
    tmp_path: Path, variable: str, value: str | None
) -> None:
    dg.Definitions.validate_loadable(build_definitions(settings_with(tmp_path, **{variable: value})))


@pytest.mark.parametrize(("variable", "value"), REFUSED)
def test_a_wrong_value_is_refused_with_the_forms_and_without_the_value(
    tmp_path: Path, variable: str, value: str
) -> None:
    with pytest.raises(InvalidRequest, match=variable) as refused:
        settings_with(tmp_path, **{variable: value})
    assert "secret" not in str(refused.value)
    assert "://" in str(refused.value)


def test_loading_the_definitions_touches_no_disk(tmp_path: Path) -> None:
    build_definitions(settings_with(tmp_path / "home"))
    assert not (tmp_path / "home").exists()


def test_the_graph_has_the_assets_of_the_contract() -> None:
    names = [dataset.name for dataset in DATASETS]
    layers = [
        *("raw_trips", "clean_trips", "quarantined_trips", "version_diff", "postgres_trips", "warehouse_trips"),
        *("postgres_daily_trips", "warehouse_daily_trips", "report"),
    ]
    zones = {"zones/raw_zones", "zones/postgres_zones", "zones/warehouse_zones", "zones/raw_zone_shapes"}
    published = {f"tlc/{name}_tripdata" for name in names}
    keys = {key.to_user_string() for key in defs.resolve_asset_graph().get_all_asset_keys()}
    layered = {f"{name}/{layer}" for name, layer in itertools.product(names, layers)}
    assert keys == layered | published | zones | {"lake/index"}


def test_every_job_of_the_contract_is_there_and_takes_in_its_group() -> None:
    for dataset in DATASETS:
        job = defs.resolve_job_def(f"{dataset.name}_trips_job")
        assert {key.path[0] for key in job.asset_layer.executable_asset_keys} == {dataset.name}
        assert {key.path[1] for key in job.asset_layer.executable_asset_keys} == set(Layer)
    assert len(list(defs.resolve_job_def("taxi_zones_job").asset_layer.executable_asset_keys)) == 4


@pytest.mark.parametrize("dataset", DATASETS, ids=lambda dataset: dataset.name)
def test_partitions_are_months_from_the_first_that_tlc_has(dataset) -> None:
    for layer in Layer:
        partitions = defs.resolve_asset_graph().get(dg.AssetKey(dataset.key(layer))).partitions_def
        assert partitions.get_first_partition_key() == str(dataset.first_month)
        assert partitions.has_partition_key("2024-01")


def test_every_asset_tells_what_it_is_where_it_belongs_and_what_it_is_made_of() -> None:
    for node in defs.resolve_asset_graph().asset_nodes:
        assert node.description
        assert node.group_name in {*(dataset.name for dataset in DATASETS), "zones", "lake"}
        assert node.kinds
        assert node.owners
        assert node.tags["source"] == "nyc-tlc"
        if node.is_materializable:
            [reference] = node.metadata["dagster/code_references"].code_references
            assert Path(reference.file_path).exists()


def test_a_blocking_check_stands_between_clean_and_the_tables() -> None:
    graph = defs.resolve_asset_graph()
    for dataset in DATASETS:
        checks = {
            key.name: graph.get_check_spec(key)
            for key in graph.get_check_keys_for_assets({dg.AssetKey(dataset.key(Layer.CLEAN))})
        }
        assert checks["rows_accounted_for"].blocking
        assert not checks["columns_known"].blocking


def test_a_password_is_not_in_the_resources_that_the_ui_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = "postgresql://taxi:hush-hush@127.0.0.1:5432/taxi"
    monkeypatch.setenv("TAXI_POSTGRES", url)
    resources = build_definitions(settings_with(tmp_path, TAXI_POSTGRES=url)).resources
    assert "hush-hush" not in repr(resources["postgres"])


@pytest.mark.filterwarnings("ignore:Property `ScheduleDefinition.environment_vars`:DeprecationWarning")  # Dagster's own
def test_a_source_s_password_is_in_no_record_of_a_job_nor_on_the_page_of_resources(tmp_path: Path) -> None:
    definitions = build_definitions(settings_with(tmp_path, TAXI_SOURCE="https://me:hush-hush@example.org/tlc"))
    job = definitions.resolve_job_def("green_trips_job")
    assert "hush-hush" not in dg.serialize_value(job.get_job_snapshot())
    assert "hush-hush" not in dg.serialize_value(RepositorySnap.from_def(definitions.get_repository_def()))
    shown = build_definitions(settings_with(tmp_path, TAXI_SOURCE="https://example.org/tlc"))
    assert "example.org" in dg.serialize_value(RepositorySnap.from_def(shown.get_repository_def()))


def test_the_kinds_name_the_technology_in_use(tmp_path: Path) -> None:
    cloud = build_definitions(settings_with(tmp_path, TAXI_LAKE="gs://bucket", TAXI_WAREHOUSE="bigquery://p/d"))
    graph = cloud.resolve_asset_graph()
    assert graph.get(dg.AssetKey(["green", "warehouse_trips"])).kinds == {"bigquery"}
    assert "gcs" in graph.get(dg.AssetKey(["green", "clean_trips"])).kinds
