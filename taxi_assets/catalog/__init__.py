"""What TLC publishes, as data: datasets, columns, eras, rules and code tables.

The one source of truth. A new column, alias, era or rule is one entry in this package; table definitions, the cleaning
SQL, the comments in the databases and the UI, the sample source and the tests derive from it. Nothing here reads a
file, opens a connection or knows Dagster.
"""

from taxi_assets.catalog.daily_summary import daily_schema, daily_table
from taxi_assets.catalog.fhv import FHV
from taxi_assets.catalog.fhvhv import FHVHV
from taxi_assets.catalog.green import GREEN
from taxi_assets.catalog.layers import (
    DAILY_IN,
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
    PUBLICATION_LAG_DAYS,
    SOURCE_MONTH,
    SOURCE_ROW,
    Column,
    Dataset,
    Era,
    Field,
    Rule,
)
from taxi_assets.catalog.row_counts import OFTEN_LEFT_OUT, disruption_between, published_rows
from taxi_assets.catalog.rules import DEFAULT_RULES, RULES, select_rules
from taxi_assets.catalog.yellow import YELLOW
from taxi_assets.catalog.zone_lookup import (
    SHAPES_FILE,
    ZONES_FILE,
    ZONES_HEADER,
    ZONES_SCHEMA,
    ZONES_TABLE,
)
from taxi_assets.errors import InvalidRequest

__all__ = [
    "DAILY_IN",
    "DATASETS",
    "DEFAULT_RULES",
    "IDENTITY",
    "OFTEN_LEFT_OUT",
    "PUBLICATION_LAG_DAYS",
    "RULES",
    "SHAPES_FILE",
    "SOURCE_MONTH",
    "SOURCE_ROW",
    "TABLE_STORES",
    "TRIPS_IN",
    "ZONES",
    "ZONES_FILE",
    "ZONES_HEADER",
    "ZONES_IN",
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
    """The dataset of that name.

    Raises:
        InvalidRequest: there is none; the text lists those there are.
    """
    for dataset in DATASETS:
        if dataset.name == name:
            return dataset
    raise InvalidRequest(f"no dataset {name!r}: TLC publishes {', '.join(one.name for one in DATASETS)}")
