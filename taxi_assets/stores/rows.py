"""Rows between sources, assets and stores, as a lazy stream that is not held in memory.

A `Rows` is an Arrow schema and a function that opens a stream of record batches. Rows in the lake also name their
Parquet files, or their objects in a bucket, for stores that load those directly. Metadata of the schema describe the
rows: each field's `description` (and `index`, a hint), the table's `description` (and `cluster_by` and `labels`, for
stores that have them), and provenance under keys that begin with `taxi/`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import pyarrow as pa

from taxi_assets.errors import SchemaMismatch
from taxi_assets.stores.array_casts import cast
from taxi_assets.stores.os_errors import file_failures

if TYPE_CHECKING:
    import pandas as pd

BATCH_ROWS = 122_880  # DuckDB's row group, and about 25 MB of a yellow month in memory
PROVENANCE = "taxi/"
NULL_COUNTS = f"{PROVENANCE}null_counts"  # JSON: column -> rows without a value in it; in the lake's files


class Rows:
    """A schema and a stream of record batches that can be opened any number of times, unless stated otherwise.

    Attributes:
        schema: names, types, descriptions and provenance.
        files: Parquet files with exactly these rows and this schema; empty where there are none.
        objects: objects with the same, as `gs://bucket/name#generation`.
    """

    def __init__(
        self,
        schema: pa.Schema,
        open_batches: Callable[[], Iterable[pa.RecordBatch]],
        files: tuple[str, ...] = (),
        objects: tuple[str, ...] = (),
        *,
        read_head: Callable[[int], pa.RecordBatch] | None = None,
        fetch: Callable[[], tuple[str, ...]] | None = None,
        confirm: Callable[[], None] | None = None,
    ) -> None:
        self.schema = schema
        self.files = files
        self.objects = objects
        self._open_batches = open_batches
        self._read_head = read_head
        self._fetch = fetch
        self._confirm = confirm

    @classmethod
    def from_table(cls, table: pa.Table) -> Rows:
        """The rows of a table in memory."""
        return cls(table.schema, lambda: table.to_batches(max_chunksize=BATCH_ROWS))

    @classmethod
    def from_pandas(cls, frame: pd.DataFrame) -> Rows:
        """The rows of a DataFrame; the named levels of its index become columns, before the others.

        An integer level without a name is left out, as pandas' default index and what a filter leaves of it.

        Raises:
            SchemaMismatch: another level has no name or a column's name, two columns have one name, or Arrow has no
                type for a column's values.
        """
        return cls.from_table(_table_of(frame))

    @classmethod
    def from_parquet(cls, paths: Iterable[Path], schema: pa.Schema | None = None) -> Rows:
        """The rows of Parquet files, in that order; a column that a file lacks is filled with nulls.

        Args:
            paths: at least one file, or none together with a schema.
            schema: what all files are read as; the first file's schema where it is left out.

        Raises:
            SliceDamaged: a file cannot be read; also while streaming.
        """
        files = tuple(paths)
        schemas = [schema_of_parquet(path) for path in files]
        target = schemas[0] if schema is None else schema
        alike = all(one.equals(target) for one in schemas)

        return cls(target, partial(_batches_of, files, target), tuple(str(path) for path in files) if alike else ())

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows as record batches of this schema."""
        return iter(self._open_batches())

    def local_files(self) -> tuple[str, ...]:
        """As `files`; objects in a bucket are downloaded for it, once."""
        return self._fetch() if self._fetch is not None and self.objects else self.files

    def reader(self) -> pa.RecordBatchReader:
        """The rows as a reader, for other libraries that use Arrow."""
        return pa.RecordBatchReader.from_batches(self.schema, self.batches())

    def to_table(self) -> pa.Table:
        """All rows in memory as one Arrow table."""
        return pa.Table.from_batches(self.batches(), schema=self.schema)

    def to_pandas(self) -> pd.DataFrame:
        """All rows in memory as one DataFrame; integers with missing values become pandas' nullable integers."""
        table = self.to_table()
        gaps = [name for name in table.column_names if pa.types.is_integer(table[name].type) and table[name].null_count]
        frame = table.drop_columns(gaps).to_pandas()
        for name in gaps:
            frame.insert(table.column_names.index(name), name, _with_gaps(table[name]))
        return frame

    def head(self, count: int) -> pa.RecordBatch:
        """The first rows, at most that many."""
        import pyarrow.parquet as pq

        for path in self.files:
            with file_failures(path), pq.ParquetFile(path) as file:
                for batch in file.iter_batches(count):
                    return conform(batch, self.schema)
        if self._read_head is not None:
            return conform(self._read_head(count), self.schema)
        for batch in () if self.files else self.batches():
            return batch.slice(0, count)
        return no_rows(self.schema)

    def empty_columns(self) -> set[str]:
        """Columns without a value in any row, as far as files show it; an empty set where there are no files.

        Every month has some: columns that TLC dropped, or added later. Finding five of 26 columns in 1,369,769 rows
        takes 0.02 s.
        """
        return _empty_columns(self.files, self.head(1)) if self.files else set()

    def count_in_files(self) -> int:
        """How many rows the files say they have; 0 where there are no files."""
        return sum(_count_in(path) for path in self.files)

    @property
    def provenance(self) -> dict[str, str]:
        """The provenance of the rows, under keys that begin with `taxi/`."""
        metadata = self.schema.metadata or {}
        return {key.decode(): value.decode() for key, value in metadata.items() if key.startswith(PROVENANCE.encode())}

    def with_schema(self, schema: pa.Schema) -> Rows:
        """The same rows with columns cast, reordered, or filled with nulls to fit the schema.

        Raises:
            SchemaMismatch: while streaming, where a value does not fit its new type.
        """
        if schema.equals(self.schema, check_metadata=True):
            return self

        def open_batches() -> Iterator[pa.RecordBatch]:
            return (conform(batch, schema) for batch in self.batches())

        if not schema.equals(self.schema):
            return Rows(schema, open_batches, confirm=self._confirm)
        return self._in_same_files(schema, open_batches, self._confirm)

    def watched(self, open_batches: Callable[[], Iterable[pa.RecordBatch]]) -> Rows:
        """The same rows in a stream that inspects the batches of this one."""
        return self._in_same_files(self.schema, open_batches, self._confirm)

    def confirmed_by(self, *checks: Callable[[], None]) -> Rows:
        """The same rows with further checks, of which each can refuse to store them: see `confirm`."""
        return self._in_same_files(self.schema, self._open_batches, _all_of(*filter(None, (self._confirm, *checks))))

    def confirm(self) -> None:
        """Make sure that what the rows were made from is still current; a store calls it before it commits.

        Raises:
            Overtaken: another run has replaced it.
        """
        if self._confirm is not None:
            self._confirm()

    def with_provenance(self, facts: Mapping[str, str]) -> Rows:
        """The same rows, with these facts added to their provenance."""
        named = {name.encode(): fact for name, fact in facts.items()}  # Arrow returns its keys as bytes
        return self.with_schema(self.schema.with_metadata({**(self.schema.metadata or {}), **named}))

    def _in_same_files(
        self,
        schema: pa.Schema,
        open_batches: Callable[[], Iterable[pa.RecordBatch]],
        confirm: Callable[[], None] | None,
    ) -> Rows:
        return Rows(
            schema,
            open_batches,
            self.files,
            self.objects,
            read_head=self._read_head,
            fetch=self._fetch,
            confirm=confirm,
        )


def _all_of(*checks: Callable[[], None]) -> Callable[[], None]:
    def confirm() -> None:
        for check in checks:
            check()

    return confirm


def schema_of_parquet(file: Path | BinaryIO) -> pa.Schema:
    """The schema of a Parquet file, with the null counts, which its writer added at the end.

    Raises:
        SliceDamaged: the file of that path cannot be read; exceptions of an open file pass through.
    """
    import pyarrow.parquet as pq

    with file_failures(file) if isinstance(file, Path) else nullcontext(), pq.ParquetFile(file) as parquet:
        schema, late = parquet.schema_arrow, parquet.metadata.metadata or {}
    found = {key: late[key] for key in (NULL_COUNTS.encode(),) if key in late}
    return schema.with_metadata({**(schema.metadata or {}), **found}) if found else schema


def _count_in(path: str) -> int:
    import pyarrow.parquet as pq

    with file_failures(path):
        return int(pq.read_metadata(path).num_rows)


def no_rows(schema: pa.Schema) -> pa.RecordBatch:
    """A batch of the schema without a row."""
    return pa.RecordBatch.from_arrays([pa.nulls(0, field.type) for field in schema], schema=schema)


def conform(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """The batch with the schema's columns, by name: cast where the type differs, null where the batch lacks it.

    Raises:
        SchemaMismatch: a value does not fit, or the batch has a column that is not in the schema.
    """
    if batch.schema.equals(schema, check_metadata=True):
        return batch
    extra = set(batch.schema.names) - set(schema.names)
    if extra:
        raise SchemaMismatch(f"no place for the columns {', '.join(sorted(extra))}")
    return pa.RecordBatch.from_arrays([_column(batch, field) for field in schema], schema=schema)


def _column(batch: pa.RecordBatch, field: pa.Field) -> pa.Array:
    if field.name not in batch.schema.names:
        return pa.nulls(batch.num_rows, field.type)
    column = batch.column(field.name)
    if column.type == field.type:
        return column
    try:
        return cast(column, field.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise SchemaMismatch(
            f"column {field.name} does not fit {field.type}, round or cast it in the asset: {error}"
        ) from error


def _batches_of(files: Iterable[Path], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    import pyarrow.parquet as pq

    for path in files:
        with file_failures(path), pq.ParquetFile(path) as file:
            for group in range(file.num_row_groups):  # read in one call, Arrow would keep all until the last
                for batch in file.iter_batches(BATCH_ROWS, row_groups=[group]):
                    yield conform(batch, schema)


def _empty_columns(files: Iterable[str], head: pa.RecordBatch) -> set[str]:
    import pyarrow.parquet as pq

    empty = {name for name in head.schema.names if head[name].null_count == head.num_rows}
    for path in files:
        with file_failures(path), pq.ParquetFile(path) as file:
            for group in range(file.num_row_groups):
                table = file.read_row_group(group, sorted(empty))
                empty -= {name for name in empty if table[name].null_count < table.num_rows}
    return empty


def _with_gaps(column: pa.ChunkedArray) -> pd.Series:
    """The integers with missing values; as float, those beyond 2^53 would change."""
    import pandas as pd

    name = str(column.type).replace("i", "I", 1).replace("u", "U", 1)  # Int64, UInt64
    return column.to_pandas(types_mapper=lambda _: pd.api.types.pandas_dtype(name))


def _table_of(frame: pd.DataFrame) -> pa.Table:
    index = frame.index
    named = [number for number, name in enumerate(index.names) if name is not None]
    others = [index.get_level_values(number) for number in range(index.nlevels) if number not in named]
    if len(frame) and any(level.dtype.kind not in "iu" for level in others):
        raise SchemaMismatch(
            "the DataFrame has an index without a name, which a column would need: "
            "name it (frame.index.name = ...), or leave it out (frame.reset_index(drop=True))"
        )
    try:
        table = pa.Table.from_pandas(frame.reset_index(named) if named else frame, preserve_index=False)
    except (OverflowError, UnicodeError) as error:  # in which Arrow does not name the column
        raise SchemaMismatch(f"the DataFrame cannot be stored: {_misfit(frame)}{error}") from error
    except (ValueError, TypeError, pa.ArrowException) as error:
        raise SchemaMismatch(f"the DataFrame cannot be stored: {', '.join(map(str, error.args))}") from error
    return table.replace_schema_metadata(None)


def _misfit(frame: pd.DataFrame) -> str:
    """The name of the column with a value for which Arrow has no type."""
    for name, values in frame.items():
        try:
            pa.array(values, from_pandas=True)
        except (OverflowError, UnicodeError):
            return f"column {name}: "
    return ""
