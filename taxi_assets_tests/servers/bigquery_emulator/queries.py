"""Query results as the real service gives them, a million rows in seconds; and its refusal to scan whole tables."""

import functools
from collections.abc import Callable
from typing import Any

import bqemulator.api.routes.jobs
import bqemulator.api.routes.tabledata
import bqemulator.jobs.executor
import bqemulator.streaming.read_session
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import sqlglot
from bqemulator.api.dependencies import AppContext, get_context
from bqemulator.domain.errors import InvalidQueryError
from bqemulator.storage.arrow_bridge import _format_bq_value
from fastapi import APIRouter, Request, Response
from sqlglot import expressions as sql

ROWS_PER_PAGE = 50_000
RESULTS_KEPT = 20

router = APIRouter(prefix="/bigquery/v2")


class LatestResults(dict[str, Any]):
    """The results of the latest queries or read sessions; the emulator would keep those of all."""

    def __setitem__(self, job_id: str, result: Any) -> None:
        super().__setitem__(job_id, result)
        while len(self) > RESULTS_KEPT:
            del self[next(iter(self))]


@router.get("/projects/{project_id}/queries/{job_id}")
def get_query_results(project_id: str, job_id: str, request: Request) -> Response:
    """Answer with one page of a query's result."""
    answer = bqemulator.api.routes.jobs.get_query_results
    return _answer(answer(project_id, job_id, get_context(request), **_page(request)))


@router.get("/projects/{project_id}/datasets/{dataset_id}/tables/{table_id}/data")
def list_rows(project_id: str, dataset_id: str, table_id: str, request: Request) -> Response:
    """Answer with one page of a table's rows."""
    fields = request.query_params.get("selectedFields")
    answer = bqemulator.api.routes.tabledata.list_tabledata
    page = answer(project_id, dataset_id, table_id, get_context(request), **_page(request), selectedFields=fields)
    return _answer(page)


def _page(request: Request) -> dict[str, Any]:
    asked = request.query_params
    return {
        "maxResults": min(int(asked.get("maxResults", ROWS_PER_PAGE)), ROWS_PER_PAGE),
        "startIndex": int(asked.get("startIndex", 0)),
        "pageToken": asked.get("pageToken"),
    }


def _answer(page: dict[str, Any]) -> Response:
    """The page as JSON, without FastAPI's look at every cell."""
    return Response(orjson.dumps(page), media_type="application/json")


def rows_of(table: pa.Table, offset: int = 0, limit: int | None = None) -> list[dict[str, Any]]:
    """The emulator's `arrow_table_to_bq_rows`, a column at a time."""
    if table.num_rows == 0 or table.num_columns == 0:
        return []
    part = table.slice(offset, limit)
    columns = [_values(column, field) for column, field in zip(part.columns, part.schema, strict=True)]
    return [{"f": [{"v": value} for value in row]} for row in zip(*columns, strict=True)]


def _values(column: pa.ChunkedArray, field: pa.Field) -> list[Any]:
    for is_of_type, values in VALUES:
        if is_of_type(field.type):
            return values(column)
    return [_format_bq_value(value, field.type, field=field) for value in column.to_pylist()]


def _timestamps(column: pa.ChunkedArray) -> list[str | None]:
    """Microseconds since 1970 for TIMESTAMP, a text for DATETIME."""
    if column.type.tz:
        return _strings(column.cast(pa.timestamp("us", column.type.tz)).cast(pa.int64()))
    return pc.replace_substring(column.cast(pa.string()), " ", "T").to_pylist()


def _floats(column: pa.ChunkedArray) -> list[str | None]:
    names = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
    return [None if value is None else names.get(text := repr(value), text) for value in column.to_pylist()]


def _strings(column: pa.ChunkedArray) -> list[str | None]:
    return column.cast(pa.string()).to_pylist()


# Other types go through the emulator's own formatting, a value at a time.
VALUES: tuple[tuple[Callable[[pa.DataType], bool], Callable[[pa.ChunkedArray], list[Any]]], ...] = (
    (pa.types.is_timestamp, _timestamps),
    (pa.types.is_floating, _floats),
    (pa.types.is_integer, _strings),
    (pa.types.is_boolean, _strings),
    (pa.types.is_date, _strings),
    (pa.types.is_string, _strings),
)


def refuse_full_scan(query: str, project_id: str, context: AppContext) -> None:
    """Refuse a query of a table that demands a partition filter, unless it has one."""
    try:
        statements = sqlglot.parse(query, read="bigquery")
    except sqlglot.errors.ParseError:
        return  # the emulator says what is wrong with it
    for statement in filter(None, statements):
        for table in statement.find_all(sql.Table):
            found = context.catalog.get_table(table.catalog or project_id, table.db, table.name)
            partitioning = found and found.time_partitioning
            if partitioning and partitioning.require_partition_filter and not _filters(table, partitioning.field):
                raise InvalidQueryError(
                    f"Cannot query over table '{table.db}.{table.name}' without a filter over column(s) "
                    f"'{partitioning.field}' that can be used for partition elimination",
                    location="query",
                )


def _filters(table: sql.Table, column: str) -> bool:
    statement = table.find_ancestor(sql.Select, sql.Delete, sql.Update)
    where = statement.args.get("where") if statement else None
    return bool(where) and any(used.name == column for used in where.find_all(sql.Column))


def install() -> None:
    """Put the above into the emulator's modules."""
    jobs, executor = bqemulator.api.routes.jobs, bqemulator.jobs.executor
    executor.JOB_RESULTS = jobs.JOB_RESULTS = LatestResults()
    executor.JOB_SCHEMAS = jobs.JOB_SCHEMAS = LatestResults()
    bqemulator.streaming.read_session._SESSIONS = LatestResults()
    jobs.arrow_table_to_bq_rows = bqemulator.api.routes.tabledata.arrow_table_to_bq_rows = rows_of
    jobs.execute_query_job = _refusing_full_scans(jobs.execute_query_job)


def _refusing_full_scans(execute: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(execute)
    async def refusing(
        project_id: str, job_id: str, bq_sql: str, query_params: Any, ctx: AppContext, **options: Any
    ) -> Any:
        refuse_full_scan(bq_sql, project_id, ctx)
        return await execute(project_id, job_id, bq_sql, query_params, ctx, **options)

    return refusing
