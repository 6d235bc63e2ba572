"""Materialization metadata: pure functions from rows and results to typed metadata values.

Keys are Dagster's standard ones where they exist, else `taxi/…`.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg
import pyarrow as pa

from taxi_assets.raw_file import RawFile
from taxi_assets.stores.arrow import description
from taxi_assets.stores.base import Stored

COLUMN_SCHEMA = "dagster/column_schema"
PREVIEW_ROWS = 5
USD_PER_TIB = 6.25  # BigQuery's list price for on-demand queries in the US: https://cloud.google.com/bigquery/pricing


def column_schema(schema: pa.Schema, types: Mapping[str, str]) -> dg.TableSchema:
    """The column schema that the UI shows: the store's types, with the descriptions from the Arrow fields."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                field.name,
                types[field.name],
                description(field),
                dg.TableColumnConstraints(nullable=field.nullable),
            )
            for field in schema
        ],
    )


def column_lineage(upstream: dg.AssetKey, sources: Mapping[str, str]) -> dict[str, Any]:
    """The column lineage metadata: each column's source column in the upstream asset."""
    deps = {column: [dg.TableColumnDep(upstream, source)] for column, source in sources.items()}
    return {"dagster/column_lineage": dg.TableColumnLineage(deps)}


def slice_metadata(
    stored: Stored,
    provenance: Mapping[str, str],
    preview: Sequence[Mapping[str, Any]],
    seconds: float,
) -> Mapping[str, dg.MetadataValue]:
    """Metadata of a replaced slice: counts, schema, provenance and a preview."""
    metadata: dict[str, dg.MetadataValue] = {
        COLUMN_SCHEMA: dg.MetadataValue.table_schema(column_schema(stored.schema, stored.types)),
        "dagster/partition_row_count": dg.MetadataValue.int(stored.rows),
        "taxi/seconds": dg.MetadataValue.float(round(seconds, 3)),
        "taxi/rows_per_second": dg.MetadataValue.int(round(stored.rows / seconds)),
        "taxi/preview": dg.MetadataValue.md(markdown_table(preview)),
        **{key: _typed(value) for key, value in provenance.items()},
    }
    if stored.size is not None:
        metadata["taxi/bytes"] = dg.MetadataValue.int(stored.size)
    if stored.scan_bytes is not None:
        metadata["taxi/scan_bytes"] = dg.MetadataValue.int(stored.scan_bytes)
        metadata["taxi/scan_usd"] = dg.MetadataValue.float(round(stored.scan_bytes / 2**40 * USD_PER_TIB, 6))
    return metadata


def raw_metadata(
    raw: RawFile, uri: str, seconds: float, schema: pa.Schema | None = None
) -> Mapping[str, dg.MetadataValue]:
    """Metadata of a source file: its origin, its URI in the lake, and its columns if it has a schema."""
    from taxi_assets.source.synthetic import SYNTHETIC, is_synthetic  # the source is of this project only

    metadata: dict[str, dg.MetadataValue] = {
        **file_metadata(raw, uri, seconds),
        "taxi/source_url": dg.MetadataValue.url(raw.url),
        "taxi/source_sha256": dg.MetadataValue.text(raw.sha256),
        "taxi/source_etag": dg.MetadataValue.text(raw.etag or ""),
        "taxi/source_last_modified": dg.MetadataValue.text(raw.last_modified or ""),
        SYNTHETIC: dg.MetadataValue.bool(is_synthetic(raw.path)),
    }
    if raw.rows is not None:
        metadata["dagster/partition_row_count"] = dg.MetadataValue.int(raw.rows)
    if schema is not None:
        types = {field.name: str(field.type) for field in schema}
        metadata["dagster/column_schema"] = dg.MetadataValue.table_schema(column_schema(schema, types))
    return metadata


def file_metadata(file: RawFile, uri: str, seconds: float) -> Mapping[str, dg.MetadataValue]:
    """Metadata of any file: size and URI in the lake."""
    return {
        "dagster/uri": dg.MetadataValue.url(uri),
        "taxi/bytes": dg.MetadataValue.int(file.size),
        "taxi/seconds": dg.MetadataValue.float(round(seconds, 3)),
    }


def markdown_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows as a Markdown table, or `no rows`."""
    if not rows:
        return "no rows"
    lines = ["| " + " | ".join(rows[0]) + " |", "|" + " --- |" * len(rows[0])]
    lines += ["| " + " | ".join(_cell(value) for value in row.values()) + " |" for row in rows]
    return "\n".join(lines)


def _cell(value: object) -> str:
    return "" if value is None else str(value).replace("|", "\\|").replace("\n", " ")


def _typed(text: str) -> dg.MetadataValue:
    if text in ("true", "false"):
        return dg.MetadataValue.bool(text == "true")
    if text.isdecimal():
        return dg.MetadataValue.int(int(text))
    if text.startswith("{"):
        return dg.MetadataValue.json(json.loads(text))
    if text.startswith(("https://", "http://", "file://")):
        return dg.MetadataValue.url(text)
    return dg.MetadataValue.text(text)
