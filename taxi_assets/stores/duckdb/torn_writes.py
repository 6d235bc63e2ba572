"""Metadata of a DuckDB file that a kill left written by half: mended, so that the file opens again.

A block of metadata is 64 pages with one checksum. A checkpoint fills pages that the current header does not refer to,
writes the whole block in its place, and then the next header (DuckDB 2.0.1, seen with `strace`). The kernel copies a
block piece by piece and stops at a kill. What the current header refers to is the same in the old block and in the new
one, hence in any mix of both, but the checksum is of neither, and DuckDB refuses the file. The checksum of what is
there mends it. A block of data is never written in its place: one with a wrong checksum has other damage, and stays.

A process that closes a file loses its locks on it, and DuckDB's are such locks. So a program of its own reads the file:
this module is that program as well, and needs no other one for it.
"""

import fcntl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from struct import Struct
from typing import BinaryIO, NamedTuple, cast

# The format, as DuckDB's src/storage has it in single_file_block_manager.cpp and metadata/metadata_manager.cpp.
_HEADER_BYTES = 4096  # of one of the file and two of the database, which take turns
_BLOCKS_BEGIN = 3 * _HEADER_BYTES
_PAGES = 64  # in a block of metadata
_NUMBER = Struct("<Q")
_HEADER = Struct("<5Q")
_USED_BLOCK = Struct("<QI")  # its number, and how often it is used
_METADATA_BLOCK = Struct("<QQ")  # its number, and which of its pages are free
_NOWHERE = 2**64 - 1


def mend(path: Path) -> int:
    """Mend a file whose last writer was killed, and return the number of torn blocks.

    A file that another process has open is left alone.

    Raises:
        subprocess.CalledProcessError: its metadata is not found, or it cannot be written; `stderr` says more.
    """
    # Without the packages of the site, which it does not need, Python starts in 15 ms.
    command = [sys.executable, "-I", "-S", __file__, str(path)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


class _Header(NamedTuple):
    """The database's header: which checkpoint wrote it, and where what begins."""

    iteration: int
    catalog: int
    free_list: int
    block_count: int
    block_bytes: int


class _Database:
    """A file that no other process has open.

    Raises:
        ValueError: no header has its checksum.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        headers = [self._header(place) for place in (_HEADER_BYTES, 2 * _HEADER_BYTES)]
        whole = [header for header in headers if header is not None]
        if not whole:
            raise ValueError("neither header has its checksum")
        self._current = max(whole)

    def mend(self) -> int:
        """Write the missing checksums; how many they are."""
        torn = 0
        for block in self._metadata_blocks():
            place = _BLOCKS_BEGIN + block * self._current.block_bytes
            written, content = self._checked(place, self._current.block_bytes)
            checksum = _checksum(content)
            if written != checksum:
                self._file.seek(place)
                self._file.write(_NUMBER.pack(checksum))
                torn += 1
        return torn

    def _header(self, place: int) -> _Header | None:
        written, content = self._checked(place, _HEADER_BYTES)
        return _Header(*_HEADER.unpack_from(content)) if written == _checksum(content) else None

    def _checked(self, place: int, size: int) -> tuple[int, bytes]:
        """The checksum that is written there, and what it is of."""
        self._file.seek(place)
        (written,) = _NUMBER.unpack(self._file.read(_NUMBER.size))
        return cast(int, written), self._file.read(size - _NUMBER.size)

    def _metadata_blocks(self) -> Iterator[int]:
        """Their numbers, which follow on those of the free blocks and of the shared ones."""
        free_list = b"".join(self._pages(self._current.free_list))
        place = 0
        for entry in (_NUMBER, _USED_BLOCK):
            (count,) = _NUMBER.unpack_from(free_list, place)
            place += _NUMBER.size + count * entry.size
        (count,) = _NUMBER.unpack_from(free_list, place)
        entries = free_list[place + _NUMBER.size :][: count * _METADATA_BLOCK.size]
        for block, _ in _METADATA_BLOCK.iter_unpack(entries):
            if block >= self._current.block_count:
                raise ValueError(f"there is no block {block}")
            yield block

    def _pages(self, pointer: int) -> Iterator[bytes]:
        """The pages of a list from that one on: each begins with a pointer to the next."""
        page_bytes = (self._current.block_bytes - _NUMBER.size) // _PAGES // _NUMBER.size * _NUMBER.size
        for _ in range(_PAGES * self._current.block_count):
            if pointer == _NOWHERE:
                return
            page, block = pointer >> 56, pointer % 2**56
            self._file.seek(_BLOCKS_BEGIN + block * self._current.block_bytes + _NUMBER.size + page * page_bytes)
            (pointer,) = _NUMBER.unpack(self._file.read(_NUMBER.size))
            yield self._file.read(page_bytes - _NUMBER.size)
        raise ValueError("the list of free blocks has no end")


def _checksum(content: bytes) -> int:
    checksum = 5381
    for word in memoryview(content).cast("Q"):
        checksum ^= word * 0xBF58476D1CE4E5B9
    return checksum % 2**64


def _main(path: Path) -> int:
    with path.open("r+b") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # as DuckDB locks it
        except BlockingIOError:
            return 0
        return _Database(file).mend()


if __name__ == "__main__":
    sys.stdout.write(str(_main(Path(sys.argv[1]))))
