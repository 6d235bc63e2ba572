"""Provenance of rows: the source file's URL, hash, ETag and size, and the version of the code that read it."""

from collections.abc import Mapping
from importlib.metadata import version

from taxi_assets.raw_file import RawFile
from taxi_assets.source.synthetic import SYNTHETIC, SYNTHETIC_NOTICE, is_synthetic, is_synthetic_provenance
from taxi_assets.stores.arrow import description
from taxi_assets.stores.rows import PROVENANCE, Rows


def file_provenance(raw: RawFile, dataset: str) -> dict[str, str]:
    """The provenance of all rows of a file.

    Args:
        raw: the source file.
        dataset: the dataset's name, or `zones`.
    """
    return {
        f"{PROVENANCE}dataset": dataset,
        f"{PROVENANCE}source_url": raw.url,
        f"{PROVENANCE}source_sha256": raw.sha256,
        f"{PROVENANCE}source_etag": raw.etag or "",
        f"{PROVENANCE}source_last_modified": raw.last_modified or "",
        f"{PROVENANCE}source_bytes": str(raw.size),
        f"{PROVENANCE}code_version": version("taxi_assets"),
        SYNTHETIC: "true" if is_synthetic(raw.path) else "false",
    }


def with_file_provenance(rows: Rows, provenance: Mapping[str, str]) -> Rows:
    """The rows with this provenance; the description of synthetic rows, the table's comment, says that they are."""
    rows = rows.with_provenance(provenance)
    if not is_synthetic_provenance(provenance):
        return rows
    known = rows.schema.metadata or {}
    text = f"{SYNTHETIC_NOTICE} {description(rows.schema) or ''}".strip()
    return rows.with_schema(rows.schema.with_metadata({**known, b"description": text.encode()}))
