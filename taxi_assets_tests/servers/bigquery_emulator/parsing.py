"""A query parsed once, where the emulator parses its text a dozen times on the way to DuckDB."""

import functools
from typing import Any

import sqlglot
from sqlglot.expressions import Expression

TEXTS_KEPT = 500

_parse_one = sqlglot.parse_one


@functools.lru_cache(TEXTS_KEPT)
def _parsed(text: str, dialect: Any) -> Expression:
    return _parse_one(text, read=dialect)


def parse_one(text: str, read: Any = None, **options: Any) -> Expression:
    """The tree of the text, for the caller to change."""
    return _parse_one(text, read=read, **options) if options else _parsed(text, read).copy()


def install() -> None:
    """Put the above into the parser, whose module the emulator asks each time."""
    sqlglot.parse_one = parse_one
