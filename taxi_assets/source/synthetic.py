"""What tells synthetic data from TLC's own: every file that the sample writes says so in itself.

A Parquet file says it in its key-value metadata and a zip archive in its comment. The zone lookup, a CSV that has no
place for remarks, says it in the names of its zones, where a reader of a joined table meets it too.
"""

from collections.abc import Mapping
from pathlib import Path
from zipfile import ZipFile

from taxi_assets.stores.rows import PROVENANCE

SYNTHETIC = f"{PROVENANCE}synthetic"  # in Parquet and in provenance, where the value is `true` or `false`
SYNTHETIC_NOTICE = "Synthetic data, made by the sample source of taxi_assets; not TLC's."
SYNTHETIC_ZONE_NAME = "Sample zone"
SAMPLE = "sample"  # the source's URL, and the beginning of its files'

_PARQUET, _ZIP = b"PAR1", b"PK"


def is_synthetic(path: Path) -> bool:
    """Whether the file says that it is synthetic; the file is whole."""
    with path.open("rb") as file:
        head = file.read(4)
    if head == _PARQUET:
        import pyarrow.parquet as pq

        return SYNTHETIC.encode() in (pq.read_metadata(path).metadata or {})
    if head.startswith(_ZIP):
        with ZipFile(path) as archive:
            return archive.comment == SYNTHETIC_NOTICE.encode()
    return SYNTHETIC_ZONE_NAME.encode() in path.read_bytes()


def is_synthetic_provenance(provenance: Mapping[str, str]) -> bool:
    """Whether rows with this provenance are synthetic; before files said so, the sample's URL did."""
    known = provenance.get(SYNTHETIC)
    return known == "true" if known is not None else is_sample_url(provenance.get(f"{PROVENANCE}source_url", ""))


def is_sample_url(url: str) -> bool:
    """Whether the URL is that of the sample source, or of a file of it."""
    return url.partition("/")[0] == SAMPLE
