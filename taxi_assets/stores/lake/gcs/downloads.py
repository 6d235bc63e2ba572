"""Files on their way to and from a bucket, in a scratch folder of this machine that the caller removes."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from taxi_assets.stores.lake.gcs.objects import Objects
from taxi_assets.stores.os_errors import disk_failures
from taxi_assets.stores.scratch import scratch_folder


class Downloads:
    """Downloaded objects by their generation, each fetched once."""

    def __init__(self, objects: Objects, scratch: Path) -> None:
        self._objects = objects
        self._scratch = scratch

    def fetch(self, path: str, generation: int, name: str) -> Path:
        """The object as a file of that name."""
        kept = self.kept(generation, name)
        if not kept.exists():
            with self.temporary_folder() as folder:
                self._objects.download(path, folder / kept.name)
                kept.parent.mkdir(parents=True, exist_ok=True)
                (folder / kept.name).rename(kept)
        return kept

    def kept(self, generation: int, name: str) -> Path:
        """Where the object of that generation is, or will be."""
        return self._scratch / "kept" / str(generation) / name

    @contextmanager
    def temporary_folder(self) -> Iterator[Path]:
        """A folder in the scratch folder, which is removed at the end.

        Raises:
            StoreUnavailable: the disk is full.
            StoreError: the scratch folder cannot be written.
        """
        with disk_failures(self._scratch), scratch_folder(self._scratch) as folder:
            yield folder
