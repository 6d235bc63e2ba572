"""Where TLC's files come from: the CDN, another server or folder laid out like it, or the built-in sample.

Here: whether a file is published, fetching it whole, telling a whole file from an error page, and what `TAXI_SOURCE`
may be. Not here: what the files mean (`catalog`), what their rows hold (`cleaning`), where they are kept (`stores`).
"""

from taxi_assets.source.base import RemoteFile, Source
from taxi_assets.source.factory import SOURCE_FORMS, TLC_CDN, open_source
from taxi_assets.source.files import (
    fetch_month,
    fetch_zone_shapes,
    fetch_zones,
    last_published,
    month_path,
    published_months,
)

__all__ = [
    "SOURCE_FORMS",
    "TLC_CDN",
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
