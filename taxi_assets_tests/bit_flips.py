"""Single flipped bits in a month's file, for every codec: what is loaded wrong, and what is not loaded at all.

    python -m taxi_assets_tests.bit_flips [--flips 100] [--file FILE --dataset green --month 2023-02]

Bits flip on the way from an HTTP server that states the MD5 (as S3 and so TLC's CDN do, in the ETag), at rest beside a
checksum file, at rest in a file whose pages have checksums, and at rest where nothing states a checksum. Only in the
last case, and only with codecs that have no checksums, may a value be loaded that TLC did not write: the table says how
often.
"""

import argparse
import hashlib
import logging
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console

from taxi_assets.catalog import DEFAULT_RULES, Dataset, dataset_named
from taxi_assets.cleaning import cleaned_month
from taxi_assets.errors import TaxiError
from taxi_assets.month import Month
from taxi_assets.sample import write_month
from taxi_assets.source import Source, fetch_month, month_path
from taxi_assets.source.folder import FolderSource
from taxi_assets.source.http import HttpSource

from .source.cdn import Cdn, serving

CODECS = ("gzip", "snappy", "zstd", "none")
WITHOUT_CHECKSUMS = ("snappy", "zstd", "none")
_MAGIC = 4
_ROWS = 2_000


@dataclass(frozen=True)
class Original:
    """A month's file as its publisher wrote it."""

    dataset: Dataset
    month: Month
    content: bytes

    @property
    def path(self) -> str:
        return month_path(self.dataset, self.month)


Publish = Callable[[Original, bytes], Source]
"""Put bytes, which are no longer the original's, where the source has its file."""


def written_with(
    codec: str, table: pa.Table, dataset: Dataset, month: Month, *, page_checksums: bool = False
) -> Original:
    """The rows in that codec."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression=codec, write_page_checksum=page_checksums)
    return Original(dataset, month, sink.getvalue().to_pybytes())


@contextmanager
def on_the_way() -> Iterator[Publish]:
    """A server whose ETag is the original's MD5."""
    with serving() as cdn:

        def publish(original: Original, content: bytes) -> Source:
            cdn.put(original.path, content, f'"{hashlib.md5(original.content, usedforsecurity=False).hexdigest()}"')
            return _impatient(cdn)

        yield publish


@contextmanager
def beside_sums() -> Iterator[Publish]:
    """A folder with the original's checksum in SHA256SUMS."""
    with _folder() as (folder, publish):

        def publish_beside(original: Original, content: bytes) -> Source:
            source = publish(original, content)
            line = f"{hashlib.sha256(original.content).hexdigest()}  {Path(original.path).name}\n"
            (folder / original.path).with_name("SHA256SUMS").write_text(line)
            return source

        yield publish_beside


@contextmanager
def at_rest() -> Iterator[Publish]:
    """A folder that states nothing."""
    with _folder() as (_, publish):
        yield publish


def flipped(original: Original, flips: int, publish: Publish, seed: int = 11) -> Counter[str]:
    """How many of so many single flipped bits were refused, changed nothing, and were loaded wrong."""
    right = _loaded(publish(original, original.content), original)
    chosen = random.Random(seed)  # noqa: S311
    outcomes = Counter[str]()
    for _ in range(flips):
        damaged = bytearray(original.content)
        damaged[chosen.randrange(len(damaged))] ^= 1 << chosen.randrange(8)
        try:
            loaded = _loaded(publish(original, bytes(damaged)), original)
        except TaxiError:
            outcomes["refused"] += 1
        else:
            outcomes["harmless" if loaded == right else "loaded wrong"] += 1
    return outcomes


def main() -> int:
    """Flip, print the table, and return 1 where a bit that some checksum covers was loaded wrong."""
    parser = argparse.ArgumentParser(prog="python -m taxi_assets_tests.bit_flips", description=__doc__.splitlines()[0])
    parser.add_argument("--flips", type=int, default=100, help="of each codec, and each way")
    parser.add_argument("--file", type=Path, help="a month's file in place of a synthetic one")
    parser.add_argument("--dataset", default="green")
    parser.add_argument("--month", default="2023-02")
    given = parser.parse_args()
    logging.disable(logging.WARNING)  # each download is tried twice
    dataset, month = dataset_named(given.dataset), Month.parse(given.month)
    console = Console(highlight=False)
    console.print(f"{given.flips} single flipped bits each\n| Codec | Where | Refused | Harmless | Loaded wrong |")
    console.print("| --- | --- | --- | --- | --- |")
    failures = 0
    rows = _rows(given.file, dataset, month)
    for codec in CODECS:
        original = written_with(codec, rows, dataset, month)
        with_sums = written_with(codec, rows, dataset, month, page_checksums=True)
        for where, ways, file in (
            ("on the way, MD5 in the ETag", on_the_way, original),
            ("at rest, SHA256SUMS beside it", beside_sums, original),
            ("at rest, checksums on its pages", at_rest, with_sums),
            ("at rest, nothing else", at_rest, original),
        ):
            with ways() as publish:
                seen = flipped(file, given.flips, publish)
            is_covered = where != "at rest, nothing else" or codec not in WITHOUT_CHECKSUMS
            failures += seen["loaded wrong"] if is_covered else 0
            counts = " | ".join(str(seen[outcome]) for outcome in ("refused", "harmless", "loaded wrong"))
            console.print(f"| {codec} | {where} | {counts} |")
    return 1 if failures else 0


def _impatient(cdn: Cdn) -> HttpSource:
    return HttpSource(cdn.url, attempts=2, first_wait=0.001, longest_wait=0.001)


@contextmanager
def _folder() -> Iterator[tuple[Path, Publish]]:
    with tempfile.TemporaryDirectory(prefix="taxi-flips-") as name:
        folder = Path(name)

        def publish(original: Original, content: bytes) -> Source:
            file = folder / original.path
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(content)
            return FolderSource(folder)

        yield folder, publish


def _loaded(source: Source, original: Original) -> tuple[pa.Table, pa.Table]:
    """The clean rows and the quarantine."""
    with tempfile.TemporaryDirectory(prefix="taxi-flips-") as name:
        raw = fetch_month(source, original.dataset, original.month, Path(name) / "inbox")
        scratch = Path(name) / "scratch"
        with cleaned_month(raw, original.dataset, original.month, DEFAULT_RULES, scratch) as cleaned:
            tables = cleaned.clean.to_table(), cleaned.quarantine.to_table()
            return tables[0].replace_schema_metadata(None), tables[1].replace_schema_metadata(None)


def _rows(file: Path | None, dataset: Dataset, month: Month) -> pa.Table:
    if file is not None:
        return pq.read_table(file)
    with tempfile.TemporaryDirectory() as name:
        write_month(dataset, month, Path(name) / "month.parquet", rows=_ROWS)
        return pq.read_table(Path(name) / "month.parquet")


if __name__ == "__main__":
    sys.exit(main())
