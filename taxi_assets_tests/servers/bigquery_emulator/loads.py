"""Parquet load jobs, as the real service runs them: of one partition or of the whole table, by name, all or nothing."""

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
from bqemulator.api.dependencies import AppContext
from bqemulator.api.routes.tables import _field_to_rest, _parse_schema_fields
from bqemulator.catalog.etag import generate_etag
from bqemulator.catalog.models import JobMeta, TableMeta, TableSchema
from bqemulator.storage.sql_identifiers import quoted_table_ref
from bqemulator.storage.type_map import bq_schema_to_duckdb_columns

# The unit that a partition id of so many digits names, and its form.
PARTITION_IDS = {4: ("YEAR", "%Y"), 6: ("MONTH", "%Y%m"), 8: ("DAY", "%Y%m%d"), 10: ("HOUR", "%Y%m%d%H")}

# What a column of a file may be, per type of the column it goes into; types that are not here take anything.
INTEGERS = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER"}
TIMESTAMPS = {"TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"}
LOADABLE = {
    "BIGINT": INTEGERS,
    "DOUBLE": {"FLOAT", "DOUBLE"},
    "VARCHAR": {"VARCHAR"},
    "BLOB": {"BLOB"},
    "BOOLEAN": {"BOOLEAN"},
    "DATE": {"DATE"},
    "TIMESTAMP": TIMESTAMPS,
    "TIMESTAMP WITH TIME ZONE": {*TIMESTAMPS, "TIMESTAMP WITH TIME ZONE"},
}


class LoadFailed(Exception):
    """What the real service answers in a failed job's `errorResult`."""

    def __init__(self, reason: str, message: str, location: str | None = None) -> None:
        super().__init__(message)
        self.result = {"reason": reason, "message": message} | ({"location": location} if location else {})


@dataclass(frozen=True)
class Partition:
    """The rows that a decorator such as `$202401` names."""

    id: str
    column: str
    unit: str
    start: datetime

    @property
    def condition(self) -> str:
        start = f"TIMESTAMP '{self.start.isoformat(sep=' ')}'"
        return f"{quoted(self.column)} >= {start} AND {quoted(self.column)} < {start} + INTERVAL 1 {self.unit}"


@dataclass(frozen=True)
class Load:
    """A load job's configuration, read."""

    project: str
    dataset: str
    table: str
    partition_id: str | None
    configuration: dict[str, Any]

    @classmethod
    def from_configuration(cls, configuration: dict[str, Any], project: str) -> "Load":
        load = configuration["load"]
        destination = load.get("destinationTable", {})
        table, _, partition_id = destination.get("tableId", "").partition("$")
        return cls(
            destination.get("projectId", project), destination.get("datasetId", ""), table, partition_id or None, load
        )

    @property
    def name(self) -> str:
        return f"{self.project}:{self.dataset}.{self.table}"

    @property
    def target(self) -> str:
        return quoted_table_ref(self.project, self.dataset, self.table)

    @property
    def disposition(self) -> str:
        return str(self.configuration.get("writeDisposition", "WRITE_APPEND"))


def load_parquet(context: AppContext, job: JobMeta, uploaded: Path | None) -> JobMeta:
    """Run the job in one transaction, its own record included; returns the record, which says whether it failed."""
    load = Load.from_configuration(job.configuration, job.project_id)
    try:
        files = [(uploaded, str(uploaded))] if uploaded else list(_objects(context, load))
        with context.engine.transaction() as cursor:
            table, statistics = _replace_rows(context, load, files, cursor)
            done = _done(job, context, statistics={"load": statistics})
            context.catalog._write_table(table)
            context.catalog._write_job(done)
        context.catalog._cache.update_table(table)
    except LoadFailed as failure:
        done = _done(job, context, error_result=failure.result)
    except duckdb.Error as failure:
        done = _done(
            job, context, error_result={"reason": "invalid", "message": f"Error while reading data: {failure}"}
        )
    return done


def _done(job: JobMeta, context: AppContext, **results: Any) -> JobMeta:
    now = context.clock.now()
    etag = generate_etag(job.project_id, job.job_id, str(now))
    return job.model_copy(update={"state": "DONE", "end_time": now, "etag": etag, **results})


def _objects(context: AppContext, load: Load) -> Iterator[tuple[Path, str]]:
    root = context.settings.gcs_local_root
    for uri in load.configuration.get("sourceUris", []):
        name = uri.removeprefix("gs://")
        if root is None or name == uri:
            raise LoadFailed("invalid", f"Source URI must be a Google Cloud Storage location: {uri}")
        path = (root / name).resolve()
        if root.resolve() not in path.parents or not path.is_file():
            raise LoadFailed("notFound", f"Not found: URI {uri}", uri)
        yield path, uri


def _replace_rows(
    context: AppContext, load: Load, files: list[tuple[Path, str]], cursor: duckdb.DuckDBPyConnection
) -> tuple[TableMeta, dict[str, str]]:
    table = context.catalog.get_table(load.project, load.dataset, load.table)
    if table is None:
        raise LoadFailed("notFound", f"Not found: Table {load.name}")
    partition = _partition(load, table)
    table = _with_schema_of(load, table, cursor)
    _make_room(load, partition, cursor)
    rows = sum(_insert(load, table, partition, file, uri, cursor=cursor) for file, uri in files)
    (total,) = cursor.execute(f"SELECT count(*) FROM {load.target}").fetchone() or (0,)
    now = context.clock.now()
    size = sum(file.stat().st_size for file, _ in files)
    table = table.model_copy(
        update={
            "num_rows": total,
            "num_bytes": total * len(table.schema_.fields) * 8,
            "last_modified_time": now,
            "etag": generate_etag(load.project, load.dataset, load.table, str(now)),
        }
    )
    return table, {
        "inputFiles": str(len(files)),
        "inputFileBytes": str(size),
        "outputRows": str(rows),
        "outputBytes": str(rows * len(table.schema_.fields) * 8),
        "badRecords": "0",
    }


def _partition(load: Load, table: TableMeta) -> Partition | None:
    if load.partition_id is None:
        return None
    partitioning = table.time_partitioning
    unit, form = PARTITION_IDS.get(len(load.partition_id), ("", ""))
    if partitioning is None or partitioning.field is None or partitioning.type != unit:
        raise LoadFailed("invalid", f"Partition {load.partition_id} does not fit the partitioning of {load.name}")
    with contextlib.suppress(ValueError):
        start = datetime.strptime(load.partition_id, form)  # noqa: DTZ007 - the condition's literal has no zone
        return Partition(load.partition_id, partitioning.field, unit, start)
    raise LoadFailed("invalid", f"Invalid date partition id: {load.partition_id}")


def _with_schema_of(load: Load, table: TableMeta, cursor: duckdb.DuckDBPyConnection) -> TableMeta:
    """The table as the job's schema makes it: truncating a whole table takes the job's schema over."""
    fields = load.configuration.get("schema", {}).get("fields")
    if not fields:
        return table
    schema = TableSchema(fields=_parse_schema_fields(fields))
    if load.partition_id is None and load.disposition == "WRITE_TRUNCATE":
        if columns(schema) != columns(table.schema_):
            definitions = ", ".join(f"{quoted(name)} {type_}" for name, type_ in columns(schema).items())
            cursor.execute(f"CREATE OR REPLACE TABLE {load.target} ({definitions})")
        return table.model_copy(update={"schema_": schema})
    there = columns(table.schema_)
    for name, type_ in columns(schema).items():
        if name not in there:
            raise _schema_differs(load, f"Cannot add fields (field: {name})")
        if there[name] != type_:
            raise _schema_differs(load, f"Field {name} has changed type from {there[name]} to {type_}")
    return table


def _schema_differs(load: Load, what: str) -> LoadFailed:
    return LoadFailed("invalid", f"Provided Schema does not match Table {load.name}. {what}")


def _make_room(load: Load, partition: Partition | None, cursor: duckdb.DuckDBPyConnection) -> None:
    where = f" WHERE {partition.condition}" if partition else ""
    if load.disposition == "WRITE_TRUNCATE":
        cursor.execute(f"DELETE FROM {load.target}{where}")
    elif load.disposition == "WRITE_EMPTY" and cursor.execute(f"SELECT 1 FROM {load.target}{where} LIMIT 1").fetchone():
        raise LoadFailed("duplicate", f"Already Exists: Table {load.name}")


def _insert(
    load: Load,
    table: TableMeta,
    partition: Partition | None,
    file: Path,
    uri: str,
    *,
    cursor: duckdb.DuckDBPyConnection,
) -> int:
    # Hive partitioning would make a column of each `key=value` in the object's name.
    source = f"read_parquet('{_literally(file)}', hive_partitioning = false)"
    types = {row[0]: row[1] for row in cursor.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()}
    _check_columns(load, table, types, uri)
    _check_required(table, types, source, cursor)
    if partition:
        _check_partition(load, partition, types, source, cursor)
    names = ", ".join(map(quoted, types))
    inserted = cursor.execute(f"INSERT INTO {load.target} ({names}) SELECT {names} FROM {source}").fetchone()
    return int(inserted[0]) if inserted else 0


def _check_columns(load: Load, table: TableMeta, types: dict[str, str], uri: str) -> None:
    there = columns(table.schema_)
    for name, type_ in types.items():
        if name not in there:
            raise _schema_differs(load, f"Cannot add fields (field: {name})")
        if type_ not in LOADABLE.get(there[name], {type_}):
            message = f"Parquet column '{name}' has type {type_} which does not match the target type {there[name]}."
            raise LoadFailed("invalid", f"Error while reading data, error message: {message} File: {uri}", uri)


def _check_required(table: TableMeta, types: dict[str, str], source: str, cursor: duckdb.DuckDBPyConnection) -> None:
    for field in table.schema_.fields:
        if field.mode != "REQUIRED":
            continue
        where = f"WHERE {quoted(field.name)} IS NULL" if field.name in types else ""
        if cursor.execute(f"SELECT 1 FROM {source} {where} LIMIT 1").fetchone():
            raise LoadFailed("invalid", f"Only optional fields can be set to NULL. Field: {field.name}; Value: NULL")


def _check_partition(
    load: Load, partition: Partition, types: dict[str, str], source: str, cursor: duckdb.DuckDBPyConnection
) -> None:
    where = f"WHERE ({partition.condition}) IS NOT TRUE" if partition.column in types else ""
    if cursor.execute(f"SELECT 1 FROM {source} {where} LIMIT 1").fetchone():
        message = (
            f"Some rows belong to different partitions rather than destination partition {load.name}${partition.id}"
        )
        raise LoadFailed("invalid", message)


def columns(schema: TableSchema) -> dict[str, str]:
    """The DuckDB type of every column, as DESCRIBE spells it."""
    types = bq_schema_to_duckdb_columns([_field_to_rest(field) for field in schema.fields])
    return {name: "TIMESTAMP WITH TIME ZONE" if type_ == "TIMESTAMPTZ" else type_ for name, type_ in types}


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literally(file: Path) -> str:
    """The file's name for `read_parquet`, which takes a pattern in a string literal."""
    return re.sub(r"([*?\[])", r"[\1]", str(file)).replace("'", "''")
