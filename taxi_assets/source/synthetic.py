"""The mark of synthetic data: every file of the sample source is labelled, so that it is never taken for TLC's.

A Parquet file has the label in its key-value metadata, a zip archive in its comment. A CSV file has no metadata: the
zone lookup has the label in its zone names, where queries that join the zones show it too.
"""

from collections.abc import Mapping
from pathlib import Path
from zipfile import ZipFile

from taxi_assets.stores.rows import PROVENANCE

SYNTHETIC = f"{PROVENANCE}synthetic"  # key in Parquet's metadata, and in provenance with the value `true` or `false`
SYNTHETIC_NOTICE = "Synthetic data, made by the sample source of taxi_assets; not TLC's."
SYNTHETIC_ZONE_NAME = "Sample zone"
SAMPLE = "sample"  # the sample source's URL, and the first part of its files' URLs

_PARQUET, _ZIP = b"PAR1", b"PK"


def is_synthetic(path: Path) -> bool:
    """Whether a complete Parquet, zip or CSV file is labelled as synthetic."""
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
    """Whether rows with this provenance are synthetic; without the label, which older versions lack, by the URL."""
    known = provenance.get(SYNTHETIC)
    return known == "true" if known is not None else is_sample_url(provenance.get(f"{PROVENANCE}source_url", ""))


def is_sample_url(url: str) -> bool:
    """Whether the URL is the sample source's, or one of its files'."""
    return url.partition("/")[0] == SAMPLE
