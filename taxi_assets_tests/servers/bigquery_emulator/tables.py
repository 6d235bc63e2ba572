"""Tables as the real service keeps them: etags that guard updates, columns added, labels merged, legacy type names."""

import json
from collections.abc import Iterable
from typing import Any

from bqemulator.api.dependencies import AppContext, get_context
from bqemulator.api.routes import tables as emulator
from bqemulator.catalog.models import TableMeta
from bqemulator.domain.errors import DomainError, ResourceRef, ValidationError, resource_not_found
from bqemulator.storage.sql_identifiers import quoted_table_ref
from fastapi import APIRouter, Request

from taxi_assets_tests.servers.bigquery_emulator.loads import columns, quoted

# The names in which the real service answers, whichever it was asked with.
LEGACY_TYPES = {"INT64": "INTEGER", "FLOAT64": "FLOAT", "BOOL": "BOOLEAN", "STRUCT": "RECORD"}

TABLES = "/projects/{project_id}/datasets/{dataset_id}/tables"
router = APIRouter(prefix="/bigquery/v2")


class PreconditionFailed(DomainError):
    """The resource is no longer what the client's etag says it is."""

    http_status = 412
    bq_reason = "conditionNotMet"
    grpc_status_name = "FAILED_PRECONDITION"


@router.post(TABLES)
async def insert_table(project_id: str, dataset_id: str, request: Request) -> dict[str, Any]:
    """Create a table in a dataset that is there."""
    context = get_context(request)
    if context.catalog.get_dataset(project_id, dataset_id) is None:
        raise resource_not_found(ResourceRef("Dataset", project_id, dataset_id))
    _give_body(request, _as_emulator_has_it(await request.json()))
    return as_service_has_it(context, await emulator.insert_table(project_id, dataset_id, request, context))


@router.get(TABLES + "/{table_id}")
async def get_table(project_id: str, dataset_id: str, table_id: str, request: Request) -> dict[str, Any]:
    """Answer with the table as the real service has it."""
    context = get_context(request)
    return as_service_has_it(context, emulator.get_table(project_id, dataset_id, table_id, context))


@router.patch(TABLES + "/{table_id}")
@router.put(TABLES + "/{table_id}")
async def update_table(project_id: str, dataset_id: str, table_id: str, request: Request) -> dict[str, Any]:
    """Change a table, unless it is no longer the one that the client's etag names."""
    context = get_context(request)
    body = _as_emulator_has_it(await request.json())
    async with context.engine.write_lock():
        existing = context.catalog.get_table(project_id, dataset_id, table_id)
        if existing is None:
            raise resource_not_found(ResourceRef("Table", project_id, dataset_id, table_id))
        if request.headers.get("if-match", existing.etag) not in (existing.etag, "*"):
            raise PreconditionFailed("Precondition check failed.")
        changed = _changed(context, existing, body)
        _add_columns(context, existing, changed)
        return as_service_has_it(context, emulator._table_to_rest(context.catalog.update_table(changed)))


def _changed(context: AppContext, existing: TableMeta, body: dict[str, Any]) -> TableMeta:
    body["tableReference"] = {"tableId": existing.table_id}
    if "labels" in body:
        merged = {**existing.labels, **(body["labels"] or {})}
        body["labels"] = {key: value for key, value in merged.items() if value is not None}
    if existing.time_partitioning and not body.get("timePartitioning"):
        kept = emulator._time_partitioning_to_rest(existing.time_partitioning)
        body["timePartitioning"] = kept | _filter_demanded(body)
    if not body.get("schema"):
        body["schema"] = {}
    return emulator._rest_to_table_meta(existing.project_id, existing.dataset_id, body, context.clock, existing)


def _add_columns(context: AppContext, existing: TableMeta, changed: TableMeta) -> None:
    """Give the stored table the columns that the schema has gained; it may not lose or alter any."""
    before, after = columns(existing.schema_), columns(changed.schema_)
    name = f"Table {existing.project_id}:{existing.dataset_id}.{existing.table_id}"
    for column, type_ in before.items():
        if after.get(column) != type_:
            what = f"Field {column} has changed type" if column in after else f"Field {column} is missing in new schema"
            raise ValidationError(f"Provided Schema does not match {name}. {what}")
    target = quoted_table_ref(existing.project_id, existing.dataset_id, existing.table_id)
    for field in changed.schema_.fields:
        if field.name in before:
            continue
        if field.mode == "REQUIRED":
            what = f"Cannot add required fields to an existing schema. (field: {field.name})"
            raise ValidationError(f"Provided Schema does not match {name}. {what}")
        context.engine.execute(f"ALTER TABLE {target} ADD COLUMN {quoted(field.name)} {after[field.name]}")


def _filter_demanded(body: dict[str, Any]) -> dict[str, Any]:
    return {"requirePartitionFilter": body["requirePartitionFilter"]} if "requirePartitionFilter" in body else {}


def _as_emulator_has_it(body: dict[str, Any]) -> dict[str, Any]:
    """The request with the demand for a partition filter where the emulator keeps it, and with legacy type names."""
    if body.get("timePartitioning"):
        body["timePartitioning"] |= _filter_demanded(body)
    _rename_types(body.get("schema", {}).get("fields", []) if body.get("schema") else [])
    return body


def as_service_has_it(context: AppContext, table: dict[str, Any]) -> dict[str, Any]:
    """The answer with the dataset's location, and the demand for a partition filter where the real service has it."""
    reference = table["tableReference"]
    table["location"] = context.catalog.get_dataset(reference["projectId"], reference["datasetId"]).location
    if table.get("timePartitioning", {}).pop("requirePartitionFilter", False):
        table["requirePartitionFilter"] = True
    return table


def _rename_types(fields: Iterable[dict[str, Any]]) -> None:
    for field in fields:
        field["type"] = LEGACY_TYPES.get(field["type"], field["type"])
        _rename_types(field.get("fields", []))


def _give_body(request: Request, body: dict[str, Any]) -> None:
    request._body = json.dumps(body).encode()
    request._json = body
