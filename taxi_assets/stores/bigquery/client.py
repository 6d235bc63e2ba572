"""Google's clients of BigQuery, with the Application Default Credentials, or those of an emulator."""

from typing import Any

from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

from taxi_assets.settings import bigquery_emulator


def open_client(project: str | None, location: str | None) -> bigquery.Client:
    """A client that bills the project; makes no request.

    Args:
        project: the Google Cloud project.
        location: where queries and jobs run by default; None leaves that to BigQuery.
    """
    # Google's client uses an emulator's address by itself, but would still look for credentials.
    credentials = AnonymousCredentials() if bigquery_emulator() else None
    return bigquery.Client(project, credentials=credentials, location=location)


def open_read_client() -> Any:
    """A client of the Storage Read API, several times as fast as pages; None with an emulator, which has pages only."""
    if bigquery_emulator():
        return None
    from google.cloud.bigquery_storage import BigQueryReadClient

    return BigQueryReadClient()
