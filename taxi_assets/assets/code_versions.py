"""Code versions of the assets: hashes of what decides the content that a step makes of its inputs.

Dagster shows a partition as stale if its materialization has another code version than the asset has now. They are
hashes of catalogue entries, of the SQL that cleaning makes of them, and of `_FORMATS`: neither a release nor a
refactoring changes one. An asset has one code version for all months, so that a change for one era marks every month of
the dataset; `taxi status` compares each month's own (`cleaning.rows_version`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict

import pyarrow as pa

from taxi_assets.catalog import (
    DATASETS,
    INDEX,
    LAKE_GROUP,
    RULES,
    ZONES,
    ZONES_SCHEMA,
    Dataset,
    Layer,
    ZoneLayer,
    daily_schema,
)
from taxi_assets.cleaning.cleaning_version import cleaning_version, short_hash

# Raise a layer's number when its step makes other content of the same inputs, or its store keeps that content in
# another form, and no other fact here shows it.
_FORMATS: Mapping[str, int] = {
    Layer.RAW: 1,
    Layer.CLEAN: 1,
    Layer.QUARANTINE: 1,
    Layer.DIFF: 1,
    Layer.POSTGRES: 1,
    Layer.WAREHOUSE: 1,
    Layer.POSTGRES_DAILY: 1,
    Layer.WAREHOUSE_DAILY: 1,
    Layer.REPORT: 1,
    INDEX: 1,
    ZoneLayer.RAW: 1,
    ZoneLayer.SHAPES: 1,
    ZoneLayer.POSTGRES: 1,
    ZoneLayer.WAREHOUSE: 1,
}


def code_versions() -> Mapping[tuple[str, str], str]:
    """The code version of each asset, by group and layer."""
    facts = {(dataset.name, layer): one for dataset in DATASETS for layer, one in _facts(dataset).items()}
    facts[LAKE_GROUP, INDEX] = None
    facts |= {(ZONES, layer): one for layer, one in _facts_of_zones().items()}
    return {key: short_hash([_FORMATS[key[1]], one]) for key, one in facts.items()}


def _facts(dataset: Dataset) -> Mapping[str, object]:
    # All rules and not only the default ones: a mark too many, instead of months that seem fresh and are not.
    rules = [rule for rule in RULES if rule.applies_to(dataset)]
    cleaned = {str(era.since): asdict(cleaning_version(dataset, era.since, rules)) for era in dataset.eras}
    roles = [dataset.distance, dataset.charge_columns, dataset.tips]
    trips, days = _columns(dataset.schema), [_columns(daily_schema(dataset)), roles]
    return {
        Layer.RAW: None,
        Layer.CLEAN: cleaned,
        Layer.QUARANTINE: cleaned,
        Layer.DIFF: [cleaned, dataset.trip_identity],
        Layer.POSTGRES: trips,
        Layer.WAREHOUSE: trips,
        Layer.POSTGRES_DAILY: days,
        Layer.WAREHOUSE_DAILY: days,
        Layer.REPORT: [dataset.title, roles],
    }


def _facts_of_zones() -> Mapping[str, object]:
    zones = _columns(ZONES_SCHEMA)
    return {ZoneLayer.RAW: None, ZoneLayer.SHAPES: None, ZoneLayer.POSTGRES: zones, ZoneLayer.WAREHOUSE: zones}


def _columns(schema: Iterable[pa.Field]) -> Sequence[object]:
    """Names and types, whose order is not content."""
    return sorted([field.name, str(field.type), field.nullable] for field in schema)
