"""What the errors of Google's clients mean; shared by the stores in GCS and BigQuery."""

from collections.abc import Iterator
from contextlib import contextmanager

import requests
from google.api_core import exceptions as api
from google.auth import exceptions as auth

from taxi_assets.errors import StoreError, StoreUnavailable

# Reasons that the services give with a 403 or a failed job, and that pass by themselves.
# https://cloud.google.com/bigquery/docs/error-messages
PASSING_REASONS = frozenset(
    {"rateLimitExceeded", "jobRateLimitExceeded", "backendError", "internalError", "tableUnavailable"}
)


@contextmanager
def google_failures(what: str, role: str) -> Iterator[None]:
    """Turn the errors of Google's clients into ours.

    Args:
        what: the bucket or dataset that is worked on, for the texts.
        role: the role that is needed for it.

    Raises:
        StoreUnavailable: the service does not answer, answers with a server error, or asks to come back later.
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
        if PASSING_REASONS & {detail.get("reason") for detail in error.errors if isinstance(detail, dict)}:
            raise StoreUnavailable(f"{what} asks to come back later: {_first_line(error)}") from error
        raise StoreError(f"{what} may not be used: it takes the role {role}. {_first_line(error)}") from error
    except api.GoogleAPIError as error:
        raise StoreError(f"{what} refused: {_first_line(error)}") from error


def session_is_lost(error: api.GoogleAPICallError) -> bool:
    """Whether the service no longer knows a resumable upload, which then takes another from the beginning.

    https://cloud.google.com/storage/docs/resumable-uploads#handling_errors
    """
    return error.code in (404, 410) and error.response is not None and "upload_id=" in error.response.url


def _first_line(error: Exception) -> str:
    told = error.message if isinstance(error, api.GoogleAPICallError) else str(error)
    return str(told).strip().partition("\n")[0]
