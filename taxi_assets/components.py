"""The IO managers as a component of Dagster: resources that a project's `defs` folder defines in YAML.

`dg` finds it by the entry point `dagster_dg_cli.registry_modules`, and imports it for every command: what a store needs
is imported where its IO manager is made.
"""

from typing import Any, Literal

import dagster as dg
from pydantic import BaseModel, Field, model_validator

_KEY_COLUMN = Field(default=None, description="Column with the key of a row's partition; see the IO managers.")
_SCHEMA = Field(default="public", description="Schema that holds the tables; created if it is missing.")


class Folder(dg.Model, dg.Resolvable):
    """A lake of Parquet files in a folder."""

    folder: str = Field(description="Created if it is missing.")
    key_column: str | None = _KEY_COLUMN

    def io_manager(self) -> dg.ConfigurableIOManager:
        """The IO manager."""
        from taxi_assets.io_managers import LakeIOManager

        return LakeIOManager(folder=self.folder, key_column=self.key_column)


class DuckDB(dg.Model, dg.Resolvable):
    """Tables in a DuckDB file."""

    database: str = Field(description="The file; created if it is missing.")
    schema_name: str = _SCHEMA
    key_column: str | None = _KEY_COLUMN

    def io_manager(self) -> dg.ConfigurableIOManager:
        """The IO manager."""
        from taxi_assets.io_managers import DuckDBIOManager
        from taxi_assets.resources import DuckDBResource

        resource = DuckDBResource(database=self.database)
        return DuckDBIOManager(duckdb=resource, schema_name=self.schema_name, key_column=self.key_column)


class Postgres(dg.Model, dg.Resolvable):
    """Tables on a PostgreSQL server."""

    url_variable: str = Field(
        description="Environment variable with the server's URL. Runs read it, so that the password is in no config."
    )
    schema_name: str = _SCHEMA
    key_column: str | None = _KEY_COLUMN

    def io_manager(self) -> dg.ConfigurableIOManager:
        """The IO manager."""
        from taxi_assets.io_managers import PostgresIOManager
        from taxi_assets.resources import PostgresResource

        resource = PostgresResource(url=dg.EnvVar(self.url_variable))
        return PostgresIOManager(postgres=resource, schema_name=self.schema_name, key_column=self.key_column)


class GCS(dg.Model, dg.Resolvable):
    """A lake of Parquet files in a bucket, with Google's Application Default Credentials."""

    url: str = Field(description="gs://bucket/prefix; the bucket exists.")
    project: str | None = None
    key_column: str | None = _KEY_COLUMN

    def io_manager(self) -> dg.ConfigurableIOManager:
        """The IO manager."""
        from taxi_assets.io_managers import GCSLakeIOManager
        from taxi_assets.resources.google_cloud import GCSResource

        return GCSLakeIOManager(gcs=GCSResource(project=self.project), url=self.url, key_column=self.key_column)


class BigQuery(dg.Model, dg.Resolvable):
    """Tables in BigQuery, with Google's Application Default Credentials."""

    project: str
    dataset: str = Field(description="Created if it is missing.")
    location: str = "US"
    key_column: str | None = _KEY_COLUMN

    def io_manager(self) -> dg.ConfigurableIOManager:
        """The IO manager."""
        from taxi_assets.io_managers import BigQueryIOManager
        from taxi_assets.resources.google_cloud import BigQueryResource

        resource = BigQueryResource(project=self.project, location=self.location)
        return BigQueryIOManager(bigquery=resource, dataset=self.dataset, key_column=self.key_column)


Store = Literal["folder", "duckdb", "postgres", "gcs", "bigquery"]

#: What `dg scaffold defs` writes for a store.
_EXAMPLES: dict[Store, dict[str, Any]] = {
    "folder": {"folder": "{{ env('LAKE', 'lake') }}"},
    "duckdb": {"database": "{{ env('WAREHOUSE', 'warehouse.duckdb') }}", "schema_name": "public"},
    "postgres": {"url_variable": "DATABASE_URL", "schema_name": "public"},
    "gcs": {"url": "{{ env('LAKE', 'gs://my-bucket/lake') }}"},
    "bigquery": {"project": "{{ env('PROJECT', 'my-project') }}", "dataset": "my_dataset"},
}


class ScaffoldParameters(BaseModel):
    """Options of `dg scaffold defs`."""

    store: Store = "duckdb"
    resource_key: str = "io_manager"


class IOManagerScaffolder(dg.Scaffolder[ScaffoldParameters]):
    """Writes a `defs.yaml` that loads as it stands."""

    @classmethod
    def get_scaffold_params(cls) -> type[ScaffoldParameters]:
        """The options."""
        return ScaffoldParameters

    def scaffold(self, request: dg.ScaffoldRequest[ScaffoldParameters]) -> None:
        """Write the file."""
        chosen = request.params
        dg.scaffold_component(request, {"resource_key": chosen.resource_key, chosen.store: _EXAMPLES[chosen.store]})


@dg.scaffold_with(IOManagerScaffolder)
class IOManagerComponent(dg.Component, dg.Resolvable, dg.Model):
    """An IO manager that replaces partitions atomically: in a folder, DuckDB, Postgres, GCS or BigQuery."""

    resource_key: str = Field(default="io_manager", description="What assets name in `io_manager_key`.")
    folder: Folder | None = None
    duckdb: DuckDB | None = None
    postgres: Postgres | None = None
    gcs: GCS | None = None
    bigquery: BigQuery | None = None

    @model_validator(mode="after")
    def _one_store(self) -> "IOManagerComponent":
        if len(self._stores()) != 1:
            raise ValueError(f"an IO manager has one store: give one of {', '.join(_EXAMPLES)}")
        return self

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """The IO manager as a resource."""
        [store] = self._stores()
        return dg.Definitions(resources={self.resource_key: store.io_manager()})

    def _stores(self) -> list[Folder | DuckDB | Postgres | GCS | BigQuery]:
        stores = (self.folder, self.duckdb, self.postgres, self.gcs, self.bigquery)
        return [store for store in stores if store is not None]
