"""Ingest of source files: from TLC's CDN, from a server or folder with the CDN's layout, or the synthetic sample.

Here: the forms of `TAXI_SOURCE`, HEAD requests, downloads with retries and resume, and the verification of each file
before it gets its name. Not here: the files' columns (`catalog`), their rows (`cleaning`), their storage (`stores`).
"""

from taxi_assets.source.base import RemoteFile, Source
from taxi_assets.source.factory import open_source
from taxi_assets.source.files import (
    fetch_month,
    fetch_zone_shapes,
    fetch_zones,
    last_published,
    month_path,
    published_months,
)

__all__ = [
    "RemoteFile",
    "Source",
    "fetch_month",
    "fetch_zone_shapes",
    "fetch_zones",
    "last_published",
    "month_path",
    "open_source",
    "published_months",
]
