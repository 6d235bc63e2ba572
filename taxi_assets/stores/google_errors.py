"""Translation of the errors of Google's clients, shared by the stores in GCS and BigQuery."""

from collections.abc import Iterator
from contextlib import contextmanager

import requests
from google.api_core import exceptions as api
from google.auth import exceptions as auth

from taxi_assets.errors import StoreError, StoreUnavailable

# Reasons of a 403 or of a failed job for which a later retry succeeds.
# https://cloud.google.com/bigquery/docs/error-messages
TRANSIENT_REASONS = frozenset(
    {"rateLimitExceeded", "jobRateLimitExceeded", "backendError", "internalError", "tableUnavailable"}
)


@contextmanager
def google_failures(what: str, role: str) -> Iterator[None]:
    """Turn the errors of Google's clients into this package's.

    Args:
        what: the bucket or dataset, for the texts.
        role: the role that its use requires.

    Raises:
        StoreUnavailable: the service does not answer, answers with a server error, or asks for a later retry.
        StoreError: it refuses, or there are no credentials.
    """
    try:
        yield
    except auth.DefaultCredentialsError as error:
        raise StoreError(
            f"no Google credentials for {what}: run `gcloud auth application-default login`, "
            "or give the machine a service account"
        ) from error
    except (auth.TransportError, requests.RequestException, api.RetryError, ConnectionError) as error:
        raise StoreUnavailable(f"{what} does not answer: {_first_line(error)}") from error
    except auth.GoogleAuthError as error:
        raise StoreError(f"{what}: the credentials are refused: {_first_line(error)}") from error
    except (api.TooManyRequests, api.ServerError) as error:
        raise StoreUnavailable(f"{what} is unavailable: {_first_line(error)}") from error
    except (api.Forbidden, api.Unauthorized) as error:
        if TRANSIENT_REASONS & {detail.get("reason") for detail in error.errors if isinstance(detail, dict)}:
            raise StoreUnavailable(f"{what} asks for a later retry: {_first_line(error)}") from error
        raise StoreError(f"{what} cannot be used: it requires the role {role}. {_first_line(error)}") from error
    except api.GoogleAPIError as error:
        raise StoreError(f"{what} refused: {_first_line(error)}") from error


def session_is_lost(error: api.GoogleAPICallError) -> bool:
    """True: the service has lost a resumable upload, which has to start again from its beginning.

    https://cloud.google.com/storage/docs/resumable-uploads#handling_errors
    """
    return error.code in (404, 410) and error.response is not None and "upload_id=" in error.response.url


def _first_line(error: Exception) -> str:
    text = error.message if isinstance(error, api.GoogleAPICallError) else str(error)
    return str(text).strip().partition("\n")[0]
