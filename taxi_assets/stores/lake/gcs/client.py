"""The client of Google Cloud Storage, or of an emulator."""

from google.cloud import storage


def open_client() -> storage.Client:
    """A client with Google's Application Default Credentials; Google's own code honours `STORAGE_EMULATOR_HOST`."""
    return storage.Client()
