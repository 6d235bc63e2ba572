"""The client of BigQuery, or of an emulator."""

from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

from taxi_assets.settings import bigquery_emulator


def open_client(project: str | None, location: str | None = None) -> bigquery.Client:
    """A client with Google's Application Default Credentials; an emulator is asked without any."""
    credentials = AnonymousCredentials() if bigquery_emulator() else None
    return bigquery.Client(project, credentials=credentials, location=location)
