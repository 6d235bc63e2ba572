"""Source: a folder with the CDN's layout, such as a mirror, a mounted bucket, or the output of `taxi sample`."""

from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path

from taxi_assets.catalog import TRIPS_FOLDER, ZONES_PATH
from taxi_assets.errors import BadFile, NotPublished, SourceUnavailable
from taxi_assets.raw_file import RawFile
from taxi_assets.source.atomic_write import write_atomically
from taxi_assets.source.base import Progress, RemoteFile
from taxi_assets.source.checksums import checksum_mismatch, checksums_from_sidecars
from taxi_assets.source.progress import ProgressReporter

_BLOCK = 1 << 20


class FolderSource:
    """TLC's files from a folder, which may be missing until a method is called.

    Attributes:
        url: the folder as a `file:///` URL.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.expanduser().absolute()
        self.url = self._folder.as_uri()

    def head(self, path: str) -> RemoteFile | None:
        """Size, modification time and an ETag made of both; None where there is no such file.

        Raises:
            SourceUnavailable: the folder is missing, or has not the CDN's layout.
        """
        file = self._folder / path
        self._require_folder(file.parent)
        if not file.is_file():
            return None
        stat = file.stat()
        return RemoteFile(
            url=file.as_uri(),
            size=stat.st_size,
            etag=f'"{stat.st_size:x}-{stat.st_mtime_ns:x}"',
            last_modified=formatdate(stat.st_mtime, usegmt=True),
        )

    def names(self, folder: str) -> set[str] | None:
        """The names of the files in the folder of that name.

        Raises:
            SourceUnavailable: the folder is missing, or has not the CDN's layout.
        """
        listed = self._folder / folder
        self._require_folder(listed)
        return {file.name for file in listed.iterdir()}

    def fetch(self, path: str, folder: Path, progress: Progress | None = None) -> RawFile:
        """Copy the file to the folder under its own name, atomically and after verification.

        Raises:
            NotPublished: there is no such file.
            SourceUnavailable: the source's folder is missing, or the file cannot be read or changed during the copy.
            BadFile: the file is not complete or not of the kind that its suffix says, or a sidecar checksum differs.
            StoreUnavailable: the disk is full.
        """
        published = self.head(path)
        if published is None:
            raise NotPublished(f"{self.url} has no {path}")

        def copy(part: Path) -> RemoteFile:
            reporter = ProgressReporter(part.name, progress)
            reporter.start(published.size)
            copied = 0
            with part.open("wb") as file:
                for block in _blocks(self._folder / path):
                    copied += file.write(block)
                    reporter.update(copied, published.size)
            reporter.finish(copied)
            if self.head(path) != published:
                raise SourceUnavailable(
                    f"{self._folder / path} changed while it was copied; run again when it is whole"
                )
            differs = checksum_mismatch(part, checksums_from_sidecars(self._folder / path))
            if differs is not None:
                raise BadFile(
                    f"{part.name} is damaged, or the checksum beside it is another version's: {differs}; put them there"
                    f" again (it came from {published.url})"
                )
            return published

        return write_atomically(path, folder, copy)

    def _require_folder(self, folder: Path) -> None:
        if not folder.is_dir():
            raise SourceUnavailable(
                f"there is no folder {folder}: a source's folder is laid out like TLC's CDN, with files such as"
                f" {TRIPS_FOLDER}/green_tripdata_2024-01.parquet and {ZONES_PATH}"
            )


def _blocks(file: Path) -> Iterator[bytes]:
    try:
        with file.open("rb") as opened:
            while block := opened.read(_BLOCK):
                yield block
    except OSError as error:
        raise SourceUnavailable(f"{file} cannot be read: {error.strerror}") from error
