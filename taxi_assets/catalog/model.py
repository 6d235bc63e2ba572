"""Dataclasses of the catalogue: columns of tables, fields of source files by era, datasets and rules.

Types are Arrow types; each store maps them to its own. No dataset, rule or code value is defined here: those are the
package's other modules.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import pyarrow as pa

from taxi_assets.catalog.layers import PUBLISHER, Layer
from taxi_assets.errors import InvalidRequest
from taxi_assets.month import Month

# Days from a month's end to its publication: minimum and maximum of the 104 files of 2022-04 to 2024-05.
PUBLICATION_LAG_DAYS = (48, 122)
TRIPS_FOLDER = "trip-data"  # folders of TLC's CDN
MISC_FOLDER = "misc"
SOURCE_MONTH = "source_month"
SOURCE_ROW = "source_row"

# Two records with equal values in these columns are records of the same trip: a trip and its refund in one file, or a
# trip in two versions of a month. A dataset has some of them.
_TRIP_IDENTITY = (
    "vendor_id",
    "hvfhs_license_num",
    "dispatching_base_num",
    "pickup_datetime",
    "dropoff_datetime",
    "pickup_location_id",
    "dropoff_location_id",
)


def table_hints(description: str, dataset: str, cluster_by: Iterable[str] = ()) -> dict[str, str]:
    """Arrow schema metadata for stores: the table's comment, its labels, and columns to cluster a month's rows by."""
    hints = {"description": description, "labels": json.dumps({"source": "nyc-tlc", "dataset": dataset})}
    return {**hints, **({"cluster_by": ",".join(cluster_by)} if cluster_by else {})}


@dataclass(frozen=True)
class Column:
    """One column of a loaded table.

    Attributes:
        name: the canonical name, the same in every store.
        type: the canonical Arrow type.
        description: what it holds, with its unit; becomes the column's comment in every store and in the UI.
        nullable: False: a row with NULL breaks the rule `missing_time`.
        required: True: cleaning raises `SchemaBroken` for a file without the column, in the eras that have it.
        codes: code -> meaning. The comment shows it, and the check `codes_known` reports codes that it lacks; cleaning
            keeps rows with such codes.
        value_mapping: text in a source file -> canonical value, matched case-insensitively.
        zero_is_missing: True: 0 is read as NULL.
        index: the kind of index for stores that have indexes, for example `brin`.
        since: first month with values, where files had the empty column before; None: the eras alone decide.
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
        """The column's Arrow field; its metadata holds the comment, the kind of index and, for text codes, the codes.

        The stores' content digest hashes text codes as numbers.
        """
        hints = {"description": self.comment, "index": self.index, "codes": self._text_codes}
        return pa.field(self.name, self.type, metadata={name: hint for name, hint in hints.items() if hint})

    @property
    def _text_codes(self) -> str | None:
        return json.dumps(list(self.codes)) if self.codes and pa.types.is_string(self.type) else None

    @property
    def comment(self) -> str:
        """The description and the code table as one text, for comments in the stores and the UI."""
        if not self.codes:
            return self.description
        return f"{self.description} {'; '.join(f'{code} = {meaning}' for code, meaning in self.codes.items())}."


@dataclass(frozen=True)
class Field:
    """One column of the source files of an era.

    Attributes:
        source: the column's name in the file.
        physical: its Arrow type in the file.
        column: the canonical name that it maps to; None for a column to ignore (a pandas index).
    """

    source: str
    physical: pa.DataType
    column: str | None


@dataclass(frozen=True)
class Era:
    """The schema of a dataset's source files from the month `since` until the next era begins."""

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
        """The next era, as the differences from this one; keys are this era's source names.

        Raises:
            ValueError: this era has no column of such a name.
        """
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
        title: the heading for such trips, as on a month's page.
        description: which trips these are; becomes the table's comment.
        columns: canonical columns in table order, without `source_month` and `source_row`.
        eras: oldest first; the first one begins with the first month that TLC publishes as Parquet.
        distance: the column with the trip's miles; None where TLC publishes none.
        total: the column with the passenger's charge; None where TLC publishes none.
        total_parts: for a dataset without a total, the columns whose sum is the charge; only the first is never NULL.
        tips: the column with the tip; None where TLC publishes none.
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
        """The columns whose sum is the passenger's charge; empty where TLC publishes no amounts."""
        return (self.total,) if self.total is not None else self.total_parts

    @property
    def first_month(self) -> Month:
        """The first month that TLC publishes as Parquet."""
        return self.eras[0].since

    @property
    def table(self) -> str:
        """The name of the table in every store that has tables."""
        return f"{self.name}_trips"

    def key(self, layer: Layer) -> list[str]:
        """The key of the asset that is this layer of the dataset."""
        return [self.name, layer.value]

    @property
    def published_key(self) -> list[str]:
        """The key of the external asset that stands for TLC's files, as published."""
        return [PUBLISHER, f"{self.name}_tripdata"]

    def path(self, layer: Layer) -> str:
        """The same with slashes, which is the layer's folder in the lake as well."""
        return "/".join(self.key(layer))

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
    def trip_identity(self) -> tuple[str, ...]:
        """The columns that identify a trip across records, in a fixed order."""
        return tuple(name for name in _TRIP_IDENTITY if self.has(name))

    @property
    def file_name_template(self) -> str:
        """The name of a month's source file, at TLC and in the lake, with the placeholder `{month}`."""
        return f"{self.name}_tripdata_{{month}}.parquet"

    def file_name(self, month: Month) -> str:
        """The name of the month's source file, at TLC and in the lake."""
        return self.file_name_template.format(month=month)

    @property
    def diff_file_template(self) -> str:
        """The name of the file with what changed since the month's last version, with `{month}` for the month."""
        return f"{self.table}_{{month}}.json"

    @property
    def page_file_template(self) -> str:
        """The name of the month's page, with `{month}` for the month."""
        return f"{self.table}_{{month}}.html"

    def era(self, month: Month) -> Era:
        """The era of the month.

        Raises:
            InvalidRequest: the month is before the dataset's first.
        """
        if month < self.first_month:
            raise InvalidRequest(f"{self.name} begins with {self.first_month}: there is no {month}")
        return max((era for era in self.eras if era.since <= month), key=lambda era: era.since)

    def column(self, name: str) -> Column:
        """The column with this canonical name."""
        return next(one for one in self.columns if one.name == name)

    def has_values(self, name: str, month: Month) -> bool:
        """Whether the month's file has values in the column, by the eras and the column's `since`."""
        since = self.column(name).since
        typed = any(one.column == name and not pa.types.is_null(one.physical) for one in self.era(month).fields)
        return typed and (since is None or month >= since)

    def has(self, *names: str) -> bool:
        """Whether the dataset has all of these columns."""
        return set(names) <= {one.name for one in self.columns}

    @property
    def aliases(self) -> Mapping[str, str | None]:
        """Column mapping: every source name of any era, in lower case, -> canonical name (None: to ignore)."""
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
    """One cleaning rule; a row that breaks it goes to quarantine.

    Attributes:
        name: as in `--rules`, the quarantine's column `rule` and the metadata.
        description: which rows break it.
        default: whether it is in the default set.
        always: True: it applies whatever set is chosen, since a row that breaks it cannot be loaded.
        required_columns: canonical columns, or the roles `distance` and `total`; the rule applies to datasets that have
            all of them.
        predicate: SQL over canonical columns, true for rows that break the rule (NULL counts as false), with the
            placeholders `{distance}`, `{total}`, `{month_start}` and `{month_end}`. None: `cleaning.rule_sql` makes the
            SQL, since it takes other rows of the file (`voided_trip`, `duplicate`), the casts (`unreadable_value`) or
            the columns' nullability (`missing_time`).
    """

    name: str
    description: str
    default: bool = True
    always: bool = False
    required_columns: tuple[str, ...] = ()
    predicate: str | None = None

    def applies_to(self, dataset: Dataset) -> bool:
        """Whether the dataset has the columns that the rule requires."""
        roles = {"distance": dataset.distance, "total": dataset.total}
        return all(roles[name] is not None if name in roles else dataset.has(name) for name in self.required_columns)
