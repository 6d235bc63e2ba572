"""Google's client of Cloud Storage, with the Application Default Credentials."""

from google.cloud import storage


def open_client() -> storage.Client:
    """A client; makes no request. Google's own code uses an emulator where `STORAGE_EMULATOR_HOST` is set."""
    return storage.Client()
