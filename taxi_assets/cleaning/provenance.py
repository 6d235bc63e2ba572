"""What is known of a file and of the code that reads it, as provenance of the rows that are made from it."""

from collections.abc import Mapping
from importlib.metadata import version

from taxi_assets.raw_file import RawFile
from taxi_assets.source.synthetic import SYNTHETIC, SYNTHETIC_NOTICE, is_synthetic, is_synthetic_provenance
from taxi_assets.stores.arrow import description
from taxi_assets.stores.rows import PROVENANCE, Rows


def file_provenance(raw: RawFile, dataset: str) -> dict[str, str]:
    """The provenance that all rows of a file have in common; told of a dataset by its name."""
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
    """The rows with the provenance, and synthetic ones with a description that says so, for comments in the stores."""
    rows = rows.with_provenance(provenance)
    if not is_synthetic_provenance(provenance):
        return rows
    known = rows.schema.metadata or {}
    text = f"{SYNTHETIC_NOTICE} {description(rows.schema) or ''}".strip()
    return rows.with_schema(rows.schema.with_metadata({**known, b"description": text.encode()}))
