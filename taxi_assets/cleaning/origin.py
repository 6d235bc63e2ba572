"""What is known of a file and of the code that reads it, as provenance of the rows that are made from it."""

from importlib.metadata import version

from taxi_assets.raw_file import RawFile
from taxi_assets.stores.rows import PROVENANCE


def origin_of(raw: RawFile, dataset: str) -> dict[str, str]:
    """The provenance that all rows of a file have in common; told of a dataset by its name."""
    return {
        f"{PROVENANCE}dataset": dataset,
        f"{PROVENANCE}source_url": raw.url,
        f"{PROVENANCE}source_sha256": raw.sha256,
        f"{PROVENANCE}source_etag": raw.etag or "",
        f"{PROVENANCE}source_last_modified": raw.last_modified or "",
        f"{PROVENANCE}source_bytes": str(raw.size),
        f"{PROVENANCE}code_version": version("taxi_assets"),
    }
