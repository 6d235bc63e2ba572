"""BigQuery and Cloud Storage resources, for SQL assets and for the IO managers.

Imported only if a setting names one of the services: importing dagster_gcp takes 0.5 to 1 s of CPU time.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from taxi_assets.extras import require

require("gcs", "a resource of Google Cloud")
import dagster_gcp  # noqa: E402


class BigQueryResource(dagster_gcp.BigQueryResource):
    """Dagster's BigQuery resource; uses an emulator, without credentials, if `BIGQUERY_EMULATOR_HOST` names one."""

    @contextmanager
    def get_client(self) -> Iterator[Any]:
        """A client of the project, by default with Google's Application Default Credentials."""
        from taxi_assets.settings import bigquery_emulator

        if bigquery_emulator() is None:
            with super().get_client() as client:
                yield client
        else:
            from taxi_assets.stores.bigquery.client import open_client

            yield open_client(self.project, self.location)


class GCSResource(dagster_gcp.GCSResource):
    """Dagster's GCS resource; Google's client supports `STORAGE_EMULATOR_HOST`."""

    def get_client(self) -> Any:
        """A client of Google Cloud Storage."""
        from taxi_assets.stores.lake.gcs.client import open_client

        return open_client() if self.project is None else super().get_client()
