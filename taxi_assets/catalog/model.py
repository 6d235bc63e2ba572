"""The shapes that the catalogue is written in: columns, the fields of an era's files, datasets and rules.

Arrow types are the only types named here; each store maps them to its own.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import pyarrow as pa

from taxi_assets.errors import InvalidRequest
from taxi_assets.month import Month

# TLC publishes a month so many days after its end: the shortest and the longest of 104 files of 2022-04 to 2024-05.
PUBLICATION_LAG_DAYS = (48, 122)
SOURCE_MONTH = "source_month"
SOURCE_ROW = "source_row"


def table_hints(description: str, dataset: str, cluster_by: Iterable[str] = ()) -> dict[str, str]:
    """What a store may make use of beyond the columns: a comment, labels, and what queries look for within a month."""
    hints = {"description": description, "labels": json.dumps({"source": "nyc-tlc", "dataset": dataset})}
    return {**hints, **({"cluster_by": ",".join(cluster_by)} if cluster_by else {})}


@dataclass(frozen=True)
class Column:
    """One column of a table as taxi_assets loads it.

    Attributes:
        name: the canonical name, the same in every store.
        type: the canonical Arrow type.
        description: what it holds, with its unit; becomes the comment in every store and in the UI.
        nullable: False where a row without a value breaks the rule `missing_time`.
        required: True where a file without the column is refused (in the eras that have it).
        codes: what each code stands for; documentation, not a check.
        value_mapping: older files' texts and the value each stands for, compared without case.
        zero_is_missing: TLC wrote 0 for "not known".
        index: the kind of index that pays where a store has indexes, for example `brin`.
        since: the first month whose rows have it, where files had the column before; None for all.
    """

    name: str
    type: pa.DataType
    description: str
    nullable: bool = True
    required: bool = False
    codes: Mapping[int, str] | Mapping[str, str] = field(default_factory=dict)
    value_mapping: Mapping[str, int | str] = field(default_factory=dict)
    zero_is_missing: bool = False
    index: str | None = None
    since: Month | None = None

    @property
    def arrow_field(self) -> pa.Field:
        """The column in a table's Arrow schema, with its description, its index and the texts it may have."""
        hints = {"description": self.comment, "index": self.index, "codes": self._texts}
        return pa.field(self.name, self.type, metadata={name: hint for name, hint in hints.items() if hint})

    @property
    def _texts(self) -> str | None:
        return json.dumps(list(self.codes)) if self.codes and pa.types.is_string(self.type) else None

    @property
    def comment(self) -> str:
        """The description with its code table, as the stores and the UI show it."""
        if not self.codes:
            return self.description
        return f"{self.description} {'; '.join(f'{code} = {meaning}' for code, meaning in self.codes.items())}."


@dataclass(frozen=True)
class Field:
    """One column of a file as TLC wrote it in some era.

    Attributes:
        source: TLC's own spelling.
        physical: the Arrow type in the file.
        column: the canonical name, or None for a column that carries nothing (a stray pandas index).
    """

    source: str
    physical: pa.DataType
    column: str | None


@dataclass(frozen=True)
class Era:
    """What a dataset's files look like from one month until the next era begins."""

    since: Month
    fields: tuple[Field, ...]

    def then(
        self,
        since: str,
        *,
        types: Mapping[str, pa.DataType] | None = None,
        renamed: Mapping[str, str] | None = None,
        added: Iterable[Field] = (),
        dropped: Iterable[str] = (),
    ) -> "Era":
        """The era that follows this one, told by what changed; columns are named as this era spells them."""
        types, renamed, dropped = types or {}, renamed or {}, set(dropped)
        unknown = {*types, *renamed, *dropped} - {one.source for one in self.fields}
        if unknown:
            raise ValueError(f"the era of {self.since} has no column {sorted(unknown)}")
        kept = (
            replace(one, source=renamed.get(one.source, one.source), physical=types.get(one.source, one.physical))
            for one in self.fields
            if one.source not in dropped
        )
        return Era(Month.parse(since), (*kept, *added))


@dataclass(frozen=True)
class Dataset:
    """One of TLC's four sets of trip records.

    Attributes:
        name: as in file names, asset keys and tables: yellow, green, fhv or fhvhv.
        title: what a person calls such trips, for headings.
        description: which trips these are.
        columns: canonical columns in table order, without `source_month` and `source_row`.
        eras: oldest first; the first one begins with the first month TLC has in Parquet.
        distance: the column with the trip's miles, None where TLC publishes none.
        total: the column with what the passenger was charged, None where TLC publishes none.
        total_parts: where no one column has it, those that add up to it; the first one every trip has.
        tips: the column with the tip, None where TLC publishes none.
    """

    name: str
    title: str
    description: str
    columns: tuple[Column, ...]
    eras: tuple[Era, ...]
    distance: str | None = None
    total: str | None = None
    total_parts: tuple[str, ...] = ()
    tips: str | None = None

    @property
    def charge_columns(self) -> tuple[str, ...]:
        """The columns that add up to what the passenger was charged; none where TLC publishes no amounts."""
        return (self.total,) if self.total is not None else self.total_parts

    @property
    def first_month(self) -> Month:
        """The first month TLC has in Parquet."""
        return self.eras[0].since

    @property
    def table(self) -> str:
        """The name of the table, and the last part of every asset key."""
        return f"{self.name}_trips"

    @property
    def schema(self) -> pa.Schema:
        """The table's Arrow schema: canonical columns, then the row's identity, each with its description."""
        return pa.schema(
            [
                *(one.arrow_field for one in self.columns),
                *IDENTITY,
            ],
            metadata=table_hints(self.description, self.name, cluster_by=("pickup_datetime", "pickup_location_id")),
        )

    @property
    def file_name_template(self) -> str:
        """The name of a month's file, at TLC and in the lake, with `{month}` for the month."""
        return f"{self.name}_tripdata_{{month}}.parquet"

    def file_name(self, month: Month) -> str:
        """The name of the month's file, at TLC and in the lake."""
        return self.file_name_template.format(month=month)

    def era(self, month: Month) -> Era:
        """The era that the month lies in.

        Raises:
            InvalidRequest: the month lies before the dataset's first.
        """
        if month < self.first_month:
            raise InvalidRequest(f"{self.name} begins with {self.first_month}: there is no {month}")
        return max((era for era in self.eras if era.since <= month), key=lambda era: era.since)

    def column(self, name: str) -> Column:
        """The column of that canonical name."""
        return next(one for one in self.columns if one.name == name)

    def has_values(self, name: str, month: Month) -> bool:
        """Whether that month's files have values in the column, as far as the eras and the column tell."""
        since = self.column(name).since
        typed = any(one.column == name and not pa.types.is_null(one.physical) for one in self.era(month).fields)
        return typed and (since is None or month >= since)

    def has(self, *names: str) -> bool:
        """Whether the dataset has all of the columns."""
        return set(names) <= {one.name for one in self.columns}

    @property
    def aliases(self) -> Mapping[str, str | None]:
        """Every spelling TLC has used, in lower case, and the canonical name it stands for."""
        return {one.source.lower(): one.column for era in self.eras for one in era.fields}


IDENTITY = (
    pa.field(
        SOURCE_MONTH,
        pa.date32(),
        nullable=False,
        metadata={
            "description": "First day of the month of the file that the row came from, whatever its pickup time."
        },
    ),
    pa.field(
        SOURCE_ROW,
        pa.int32(),
        nullable=False,
        metadata={
            "description": "Position of the row in its file, counted from 0; with source_month the row's identity."
        },
    ),
)


@dataclass(frozen=True)
class Rule:
    """One reason to put a row into quarantine.

    Attributes:
        name: as in `--rules`, the quarantine's `rule` column and the metadata.
        description: when a row breaks it.
        default: whether it is on unless other rules are asked for.
        always: on whatever is asked for, since a row that breaks it cannot be loaded.
        required_columns: canonical columns, or the roles `distance` and `total`, without which it does not apply.
        predicate: an SQL condition over canonical columns, NULL counting as "holds"; `{distance}`, `{month_start}` and
            `{month_end}` are filled in. None where one row alone cannot tell: `cleaning` knows those three by name.
    """

    name: str
    description: str
    default: bool = True
    always: bool = False
    required_columns: tuple[str, ...] = ()
    predicate: str | None = None

    def applies_to(self, dataset: Dataset) -> bool:
        """Whether the dataset has what the rule looks at."""
        roles = {"distance": dataset.distance, "total": dataset.total}
        return all(roles[name] is not None if name in roles else dataset.has(name) for name in self.required_columns)
