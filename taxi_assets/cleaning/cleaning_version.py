"""Cleaning version of a month: hashes of what decides its rows besides the source file.

They cover the catalogue's entries for the month's era and the SQL that cleaning makes of them, and no Python code: a
refactoring changes none. They need no file, since the SQL is generated for the columns that the catalogue gives the
era. What a month was cleaned by is recorded in `rows_version`.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from hashlib import sha256

import pyarrow as pa

from taxi_assets.catalog import IDENTITY, Dataset, Field, Rule
from taxi_assets.cleaning.casts import SourceColumn, column_cast
from taxi_assets.cleaning.rule_sql import RuleSql
from taxi_assets.month import Month
from taxi_assets.stores.duckdb.engine import TYPE_NAMES

# Raise it when cleaning splits rows otherwise, or gives them other values, and the hashed SQL is the same as before.
FORMAT = 1
_DIGITS = 8  # of a hash, in hexadecimal
_ANY_MONTH = Month(2001, 1)  # the rules' SQL has the month's dates, which make no other version
_DUCKDB_TYPES = {
    **TYPE_NAMES,
    pa.int8(): "TINYINT",
    pa.float32(): "FLOAT",
    pa.large_string(): "VARCHAR",
    **{pa.timestamp(unit): f"TIMESTAMP_{unit.upper()}" for unit in ("s", "ms", "ns")},
}


@dataclass(frozen=True)
class CleaningVersion:
    """Short hashes; if they are equal, cleaning the same file again gives the same rows.

    Attributes:
        rules: of the applied rules: names, precedence and SQL.
        columns: of the columns that the era's files have: names, types and casts.
        format: of the columns that cleaning adds, and of `FORMAT`.
    """

    rules: str
    columns: str
    format: str

    @classmethod
    def parse(cls, text: str) -> "CleaningVersion | None":
        """The version whose `str` this is; None for other texts."""
        forms = (rf"{one.name} (?P<{one.name}>[0-9a-f]{{{_DIGITS}}})" for one in fields(cls))
        found = re.fullmatch(", ".join(forms), text)
        return None if found is None else cls(**found.groupdict())

    def changes_since(self, recorded: "CleaningVersion") -> tuple[str, ...]:
        """What differs from the recorded version, for example `rules changed`."""
        now, then = asdict(self), asdict(recorded)
        return tuple(f"{name} changed" for name in now if now[name] != then[name])

    def __str__(self) -> str:
        return ", ".join(f"{name} {value}" for name, value in asdict(self).items())


def cleaning_version(dataset: Dataset, month: Month, rules: Sequence[Rule]) -> CleaningVersion:
    """The version of a month that is cleaned now by these rules; months of one era have the same."""
    return CleaningVersion(
        rules=short_hash(_rule_facts(dataset, rules)),
        columns=short_hash(sorted(_column_facts(dataset, dataset.era(month).fields))),
        format=short_hash([FORMAT, [[field.name, str(field.type)] for field in IDENTITY]]),
    )


def short_hash(facts: object) -> str:
    """A short hash of JSON values; line breaks and indentation of SQL make no difference."""
    text = json.dumps(facts, sort_keys=True).replace("\\n", " ")
    return sha256(" ".join(text.split()).encode()).hexdigest()[:_DIGITS]


def _rule_facts(dataset: Dataset, rules: Sequence[Rule]) -> list[object]:
    query = RuleSql(dataset, _ANY_MONTH, rules).broken_rules_query("repeated_rows", "compared")
    return [[rule.name for rule in rules], query]


def _column_facts(dataset: Dataset, era: Sequence[Field]) -> Iterator[list[str | bool]]:
    """What decides the values of each column; nothing of columns that the era lacks, which are NULL."""
    for field in era:
        if field.column is None:
            yield [field.source]  # not compared where rows are compared to find duplicates
        elif not pa.types.is_null(field.physical):
            column = dataset.column(field.column)
            zone = field.physical.tz if pa.types.is_timestamp(field.physical) else None
            cast = column_cast(column, SourceColumn(field.source, _DUCKDB_TYPES[field.physical], zone), dataset.name)
            sql = (cast.value, cast.unchecked, cast.unreadable)
            yield [column.name, str(column.type), column.nullable, *sql]
