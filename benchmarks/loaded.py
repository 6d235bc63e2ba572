"""A home in which every month of every dataset is loaded, made without a run of each."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa

from taxi_assets.automation.event_log import PARTITION_TAG
from taxi_assets.catalog import DATASETS, DEFAULT_RULES, TRIPS_IN, Dataset, Layer, Store, select_rules
from taxi_assets.cleaning.rows_version import RowsVersion, version_provenance
from taxi_assets.cli.runs import instance_of
from taxi_assets.cli.status.states import STORES
from taxi_assets.io_managers.metadata import raw_metadata, slice_metadata
from taxi_assets.jobs import trips_job_name
from taxi_assets.month import Month
from taxi_assets.raw_file import RawFile
from taxi_assets.settings import Settings
from taxi_assets.stores.base import Stored, TableSlice
from taxi_assets.stores.factory import LOAD_LOG, opened_stores
from taxi_assets.stores.load_log import Entry
from taxi_assets.stores.rows import Rows

_ROWS = 3


def load_everything(settings: Settings, source: Path) -> int:
    """Put a few rows into every month of every store, record what a run records, and return the number of months.

    Args:
        settings: where the stores and the records are.
        source: a folder that gets an empty file for each month that it does not have, so that it has published them.
    """
    months = list(_published())
    (source / "trip-data").mkdir(parents=True, exist_ok=True)
    with instance_of(settings) as instance, opened_stores(settings, STORES) as openers:
        stores = {name: opener() for name, opener in openers.items()}
        for dataset, month in months:
            file = source / "trip-data" / dataset.file_name(month)
            file.touch()
            digest = sha256(file.name.encode()).hexdigest()
            raw = RawFile(file, "file:///source", 1, digest, _ROWS, f'"{digest[:8]}"')
            _load(instance, stores, dataset, month, raw)
    return len(months)


def _load(instance: dg.DagsterInstance, stores: dict[str, Any], dataset: Dataset, month: Month, raw: RawFile) -> None:
    _report(instance, dataset, month, Layer.RAW, raw_metadata(raw, "file:///lake", 1.0))
    run = dg.DagsterRun(trips_job_name(dataset), status=dg.DagsterRunStatus.SUCCESS, tags={PARTITION_TAG: str(month)})
    rules = select_rules(dataset, DEFAULT_RULES)
    facts = {
        **version_provenance(dataset, month, rules),
        "taxi/source_sha256": raw.sha256,
        "taxi/source_rows": str(_ROWS),
        "taxi/rejected_by_rule": json.dumps(dict.fromkeys(DEFAULT_RULES, 0)),
    }
    version = {"dagster/data_version": str(RowsVersion.of(facts))}
    rows = _rows(dataset, month)
    preview = rows.head(_ROWS).to_pylist()
    for layer, store in ((Layer.QUARANTINE, None), *((layer, store) for store, layer in TRIPS_IN.items())):
        stored = Stored(_ROWS, 1, rows.schema, dict.fromkeys(rows.schema.names, "text"))
        if store is not None:
            entry = Entry(LOAD_LOG, store, run.run_id, "a benchmark", datetime.now(tz=UTC), facts)
            if store == Store.LAKE:
                stored = stores[store].replace(TableSlice(dataset.path(layer), month), rows)
            else:
                stored = stores[store].replace(TableSlice(dataset.table, month), rows, entry)
        _report(instance, dataset, month, layer, slice_metadata(stored, facts, preview, 1.0), tags=version)
    instance.add_run(run)


def _published() -> Iterator[tuple[Dataset, Month]]:
    last = Month.current().plus(-1)
    return ((dataset, month) for dataset in DATASETS for month in dataset.first_month.until(last))


def _rows(dataset: Dataset, month: Month) -> Rows:
    time = datetime.combine(month.first_day, datetime.min.time())
    values = {"source_month": month.first_day, "source_row": 0, "pickup_datetime": time, "dropoff_datetime": time}
    columns = [pa.array([values.get(field.name)] * _ROWS, field.type) for field in dataset.schema]
    return Rows.from_table(pa.table(columns, schema=dataset.schema))


def _report(
    instance: dg.DagsterInstance,
    dataset: Dataset,
    month: Month,
    layer: Layer,
    metadata: Mapping[str, dg.MetadataValue],
    *,
    tags: Mapping[str, str] | None = None,
) -> None:
    event = dg.AssetMaterialization(dataset.key(layer), partition=str(month), metadata=metadata, tags=tags)
    instance.report_runless_asset_event(event)
