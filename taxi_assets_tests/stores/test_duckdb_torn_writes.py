"""A DuckDB file whose writer was killed within a write of metadata: the block is a mix of its old and its new state."""

from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest

from taxi_assets.errors import StoreError
from taxi_assets.stores.base import TableSlice
from taxi_assets.stores.duckdb.store import DuckDBStore

from .contract import JANUARY, MONTH_COLUMN
from .test_duckdb import HOLD, elsewhere
from .versions import rows_of, version_of

TRIPS = TableSlice("trips", JANUARY)
MONTHS = 12  # more than one block of metadata, where that has 16 kB
ROWS = 3_000
HEADERS = 3 * 4096
PAGE = 4096  # of memory: what the kernel copies at once


@dataclass(frozen=True)
class Checkpoint:
    """A file before and after version 2 of a month was written from the log into it.

    Attributes:
        log: what DuckDB has beside the file before.
        metadata: the numbers of the blocks with metadata before.
        block_bytes: size of a block.
    """

    path: Path
    before: bytes
    after: bytes
    log: bytes
    metadata: list[int]
    block_bytes: int

    def block(self, content: bytes, number: int) -> bytes:
        return content[HEADERS + number * self.block_bytes :][: self.block_bytes]

    @property
    def torn(self) -> list[tuple[int, int]]:
        """The blocks of metadata that the checkpoint wrote in their places, and how far a kill may let it come."""
        found = []
        for number in self.metadata:
            old, new = self.block(self.before, number), self.block(self.after, number)
            mixes = ((kept, new[:kept] + old[kept:]) for kept in range(PAGE, self.block_bytes, PAGE))
            found += [(number, kept) for kept, mix in mixes if mix not in (old, new)]
        return found

    def killed_within(self, block: int, kept: int) -> None:
        """Leave what a kill leaves that came when so many bytes of the block were written."""
        self._leave(block, self.block(self.after, block)[:kept])
        self.lock.write_text("PID 1 writes taxi.trips 2024-01")

    def damage(self, block: int) -> None:
        """Leave a block of which one bit flipped, after a clean end."""
        *begin, last = self.block(self.before, block)[:PAGE]
        self._leave(block, bytes([*begin, last ^ 1]))
        self.lock.write_text("")

    @property
    def lock(self) -> Path:
        return self.path.with_name(f"{self.path.name}.lock")

    def _leave(self, block: int, begin: bytes) -> None:
        place = HEADERS + block * self.block_bytes
        self.path.write_bytes(self.before[:place] + begin + self.before[place + len(begin) :])
        self.path.with_name(f"{self.path.name}.wal").write_bytes(self.log)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "warehouse.duckdb"


@pytest.fixture
def store(path: Path) -> DuckDBStore:
    return DuckDBStore(path, "taxi", MONTH_COLUMN)


@pytest.fixture(params=[262_144, 16_384], ids=["blocks of 256 kB", "blocks of 16 kB"])
def checkpoint(request: pytest.FixtureRequest, path: Path, store: DuckDBStore) -> Checkpoint:
    with duckdb.connect() as maker:
        maker.execute(f"ATTACH '{path}' AS made (BLOCK_SIZE {request.param})")
    for number in range(MONTHS):
        store.replace(TableSlice("trips", JANUARY.plus(number)), rows_of(1, ROWS))
    with duckdb.connect(path) as other:
        metadata = [block for (block,) in other.execute("SELECT block_id FROM pragma_metadata_info()").fetchall()]
        # The last connection that a process closes makes the checkpoint, and that is the other one.
        store.replace(TRIPS, rows_of(2, ROWS))
        before, log = path.read_bytes(), path.with_name(f"{path.name}.wal").read_bytes()
    return Checkpoint(path, before, path.read_bytes(), log, metadata, request.param)


def test_a_file_is_whole_wherever_in_the_metadata_its_writer_was_killed(
    checkpoint: Checkpoint, store: DuckDBStore, path: Path
) -> None:
    assert checkpoint.torn
    for block, kept in checkpoint.torn:
        checkpoint.killed_within(block, kept)
        with pytest.raises(duckdb.Error, match="Corrupt database file"), duckdb.connect(path) as plain:
            plain.execute("FROM taxi.trips").arrow().read_all()
        assert version_of(store, TRIPS, ROWS) == 2
        assert checkpoint.lock.read_text() == ""
        store.replace(TRIPS, rows_of(3, ROWS))
        assert version_of(store, TRIPS, ROWS) == 3


def test_a_file_that_another_process_reads_is_left_alone(
    checkpoint: Checkpoint, store: DuckDBStore, path: Path
) -> None:
    checkpoint.lock.write_text("PID 1 writes taxi.trips 2024-01")
    with elsewhere(HOLD, path, "reading"):
        assert version_of(store, TRIPS, ROWS) == 2
    assert path.read_bytes() == checkpoint.after


def test_metadata_that_no_writer_left_behind_is_damaged(checkpoint: Checkpoint, store: DuckDBStore, path: Path) -> None:
    checkpoint.damage(checkpoint.torn[0][0])
    for use in (lambda: store.read("trips").to_table(), lambda: store.replace(TRIPS, rows_of(3, ROWS))):
        with pytest.raises(StoreError, match=r"warehouse\.duckdb is damaged"):
            use()


def test_damaged_rows_are_not_mended_when_a_writer_is_killed(
    checkpoint: Checkpoint, store: DuckDBStore, path: Path
) -> None:
    def refusal(block: int) -> str | None:
        checkpoint.damage(block)
        checkpoint.lock.write_text("PID 1 writes taxi.trips 2024-01")
        left = path.read_bytes()
        try:
            store.read("trips").to_table()
        except StoreError as error:
            assert path.read_bytes() == left
            return str(error)
        return None  # there are no rows in it, or not before

    blocks = (len(checkpoint.before) - HEADERS) // checkpoint.block_bytes
    refusals = (refusal(block) for block in range(blocks) if block not in checkpoint.metadata)
    assert "warehouse.duckdb is damaged" in next(filter(None, refusals))


def test_a_file_in_which_no_metadata_is_found_is_left_alone_and_that_is_said(
    checkpoint: Checkpoint, store: DuckDBStore, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    headless = checkpoint.after[:4096] + bytes(2 * 4096) + checkpoint.after[HEADERS:]
    path.write_bytes(headless)
    checkpoint.lock.write_text("PID 1 writes taxi.trips 2024-01")
    with pytest.raises(StoreError, match=r"warehouse\.duckdb"):
        store.replace(TRIPS, rows_of(3, ROWS))
    assert path.read_bytes() == headless
    assert "was not looked through after a kill: ValueError: neither header has its checksum" in caplog.text
