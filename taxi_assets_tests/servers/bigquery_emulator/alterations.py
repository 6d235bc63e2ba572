"""ALTER TABLE as the real service runs it: a wider type, or a dropped column, also in the answers about the table.

The emulator changes the rows only.
"""

import functools
import re
from collections.abc import Callable
from typing import Any

import bqemulator.api.routes.jobs
from bqemulator.api.dependencies import AppContext
from bqemulator.catalog.etag import generate_etag
from bqemulator.catalog.models import TableMeta, TableSchema
from bqemulator.domain.errors import InvalidQueryError
from bqemulator.storage.sql_identifiers import quoted_table_ref

from taxi_assets_tests.servers.bigquery_emulator.loads import columns, quoted

STATEMENT = re.compile(
    r"ALTER TABLE `(?P<project>[^.`]+)\.(?P<dataset>[^.`]+)\.(?P<table>[^`]+)` "
    r"(?:ALTER COLUMN `(?P<altered>[^`]+)` SET DATA TYPE (?P<type>\w+)|DROP COLUMN `(?P<dropped>[^`]+)`)"
)
# https://cloud.google.com/bigquery/docs/managing-table-schemas#change_a_columns_data_type, in the names of answers
COERCIONS = {
    ("INTEGER", "NUMERIC"),
    ("INTEGER", "BIGNUMERIC"),
    ("INTEGER", "FLOAT64"),
    ("NUMERIC", "BIGNUMERIC"),
    ("NUMERIC", "FLOAT64"),
    ("BIGNUMERIC", "FLOAT64"),
}


def alter(query: str, context: AppContext) -> bool:
    """Run the query where it is one of these statements; False: it is not."""
    statement = STATEMENT.fullmatch(query)
    if statement is None:
        return False
    table = context.catalog.get_table(statement["project"], statement["dataset"], statement["table"])
    if table is None:
        raise InvalidQueryError(f"Not found: Table {statement['table']}", location="query")
    changed = _altered(table, statement["altered"], statement["type"]) if statement["altered"] else table
    fields = tuple(field for field in changed.schema_.fields if field.name != statement["dropped"])
    changed = changed.model_copy(
        update={
            "schema_": TableSchema(fields=fields),
            "etag": generate_etag(table.project_id, table.table_id, str(context.clock.now())),
        }
    )
    target = quoted_table_ref(table.project_id, table.dataset_id, table.table_id)
    column = statement["altered"] or statement["dropped"]
    change = (
        f"ALTER COLUMN {quoted(column)} SET DATA TYPE {columns(changed.schema_)[column]}"
        if statement["altered"]
        else f"DROP COLUMN {quoted(column)}"
    )
    context.engine.execute(f"ALTER TABLE {target} {change}")
    context.catalog.update_table(changed)
    return True


def _altered(table: TableMeta, column: str, type_: str) -> TableMeta:
    fields = []
    for field in table.schema_.fields:
        if field.name == column:
            if (field.type, type_) not in COERCIONS:
                raise InvalidQueryError(
                    f"ALTER TABLE ALTER COLUMN SET DATA TYPE requires that the existing column type ({field.type}) is "
                    f"assignable to the new type ({type_})",
                    location="query",
                )
            field = field.model_copy(update={"type": type_})  # noqa: PLW2901 - the same field
        fields.append(field)
    return table.model_copy(update={"schema_": TableSchema(fields=tuple(fields))})


def install() -> None:
    """Put it before the emulator's own execution of queries."""
    jobs = bqemulator.api.routes.jobs
    jobs.execute_query_job = _altering(jobs.execute_query_job)


def _altering(execute: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(execute)
    async def altering(
        project_id: str, job_id: str, bq_sql: str, query_params: Any, ctx: AppContext, **options: Any
    ) -> Any:
        is_done = alter(bq_sql, ctx)
        query = "SELECT 1 AS altered" if is_done else bq_sql
        return await execute(project_id, job_id, query, query_params, ctx, **options)

    return altering
