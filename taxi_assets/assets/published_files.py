"""External assets: TLC's files as published, a partition a month; `automation.observed_files` reports versions."""

import dagster as dg

from taxi_assets.assets.specs import OWNERS, SOURCE_TAG
from taxi_assets.catalog import Dataset
from taxi_assets.partitions import months_of


def published_files(dataset: Dataset) -> dg.AssetSpec:
    """The spec of the dataset's external asset."""
    return dg.AssetSpec(
        dataset.published_key,
        description=(
            "TLC's files as published: a partition is there once the source has the month, and has a new data version "
            f"(ETag, else size) when TLC replaced the file. {dataset.description}"
        ),
        group_name=dataset.name,
        partitions_def=months_of(dataset),
        owners=OWNERS,
        tags={**SOURCE_TAG, "dataset": dataset.name, "layer": "published"},
        kinds={"parquet"},
    )
