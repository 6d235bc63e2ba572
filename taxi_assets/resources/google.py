"""Clients of Google Cloud, for SQL assets and for the IO managers.

Imported only where a setting names a service of Google's: dagster_gcp takes 0.5 to 1 s of processor time to import.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dagster_gcp


class BigQueryResource(dagster_gcp.BigQueryResource):
    """Dagster's own resource, which an emulator asks for no credentials where `BIGQUERY_EMULATOR_HOST` names one."""

    @contextmanager
    def get_client(self) -> Iterator[Any]:
        """A client of the project; Google's Application Default Credentials, unless the resource holds others."""
        from taxi_assets.settings import bigquery_emulator

        if bigquery_emulator() is None:
            with super().get_client() as client:
                yield client
        else:
            from taxi_assets.stores.bigquery.client import open_client

            yield open_client(self.project, self.location)


class GCSResource(dagster_gcp.GCSResource):
    """Dagster's own resource; `STORAGE_EMULATOR_HOST` is honoured by Google's client."""

    def get_client(self) -> Any:
        """A client of Google Cloud Storage."""
        from taxi_assets.stores.lake.gcs.client import open_client

        return open_client() if self.project is None else super().get_client()
