"""Catalogue of TLC's trip records: datasets, table columns, file schemas by era, cleaning rules and code tables.

The single source of truth: a new column, alias, era or rule is one entry in this package, and table definitions, the
cleaning SQL, the comments in the databases and the UI, the synthetic data and the tests derive from it. No code here
reads a file, opens a connection or imports Dagster.
"""

from taxi_assets.catalog.daily_summary import daily_schema, daily_table
from taxi_assets.catalog.fhv import FHV
from taxi_assets.catalog.fhvhv import FHVHV
from taxi_assets.catalog.green import GREEN
from taxi_assets.catalog.layers import (
    DAILY_IN,
    INDEX,
    LAKE_GROUP,
    TABLE_STORES,
    TRIPS_IN,
    ZONES,
    ZONES_IN,
    Layer,
    Store,
    ZoneLayer,
    zones_key,
    zones_path,
)
from taxi_assets.catalog.model import (
    IDENTITY,
    MISC_FOLDER,
    PUBLICATION_LAG_DAYS,
    SOURCE_MONTH,
    SOURCE_ROW,
    TRIPS_FOLDER,
    Column,
    Dataset,
    Era,
    Field,
    Rule,
)
from taxi_assets.catalog.row_counts import OFTEN_LEFT_OUT, disruption_between, published_rows
from taxi_assets.catalog.rules import DEFAULT_RULES, RULES, select_rules
from taxi_assets.catalog.yellow import YELLOW
from taxi_assets.catalog.zone_schema import (
    LAST_ZONE,
    SHAPES_FILE,
    SHAPES_PATH,
    ZONES_FILE,
    ZONES_HEADER,
    ZONES_PATH,
    ZONES_SCHEMA,
    ZONES_TABLE,
)
from taxi_assets.errors import InvalidRequest

__all__ = [
    "DAILY_IN",
    "DATASETS",
    "DEFAULT_RULES",
    "IDENTITY",
    "INDEX",
    "LAKE_GROUP",
    "LAST_ZONE",
    "MISC_FOLDER",
    "OFTEN_LEFT_OUT",
    "PUBLICATION_LAG_DAYS",
    "RULES",
    "SHAPES_FILE",
    "SHAPES_PATH",
    "SOURCE_MONTH",
    "SOURCE_ROW",
    "TABLE_STORES",
    "TRIPS_FOLDER",
    "TRIPS_IN",
    "ZONES",
    "ZONES_FILE",
    "ZONES_HEADER",
    "ZONES_IN",
    "ZONES_PATH",
    "ZONES_SCHEMA",
    "ZONES_TABLE",
    "Column",
    "Dataset",
    "Era",
    "Field",
    "Layer",
    "Rule",
    "Store",
    "ZoneLayer",
    "daily_schema",
    "daily_table",
    "dataset_named",
    "disruption_between",
    "published_rows",
    "select_rules",
    "zones_key",
    "zones_path",
]

DATASETS = (YELLOW, GREEN, FHV, FHVHV)


def dataset_named(name: str) -> Dataset:
    """The dataset with this name.

    Raises:
        InvalidRequest: there is none; the text lists the datasets.
    """
    for dataset in DATASETS:
        if dataset.name == name:
            return dataset
    raise InvalidRequest(f"no dataset {name!r}: TLC publishes {', '.join(one.name for one in DATASETS)}")
