"""Objects of a bucket that several runs add to, each replacing what the one before wrote."""

from collections.abc import Callable, Mapping

from google.api_core.exceptions import PreconditionFailed

from taxi_assets.stores.lake.gcs.objects import Objects
from taxi_assets.stores.retries import retry_for

_PATIENCE = 60  # seconds to go on while other writers are faster


def file_versions(objects: Objects, folder: str) -> Mapping[str, str]:
    """Name -> generation of each object in the folder, by one request for a thousand of them."""
    with objects.failures():
        found = objects.list(f"{folder}/", delimiter="/", fields="items(name,generation),nextPageToken")
        return {objects.path(blob).rpartition("/")[2]: str(blob.generation) for blob in found}


def update_object(objects: Objects, path: str, change: Callable[[bytes | None], bytes]) -> None:
    """Replace the object's content by what `change` makes of it.

    `change` is called again with the newer content where another process was faster.

    Raises:
        StoreUnavailable: the service does not answer, or others were faster again and again.
        StoreError: the service refuses.
    """

    def attempt() -> None:
        seen = objects.peek(path, lambda file: file.read())
        before = None if seen is None else seen.value
        after = change(before)
        if after != before:  # equal also where this process's own commit succeeded and its answer was lost
            objects.write_text(path, after, if_generation_match=0 if seen is None else seen.generation)

    with objects.failures():
        retry_for(_PATIENCE, attempt, f"{objects.uri(path)} is replaced by others again and again", PreconditionFailed)
