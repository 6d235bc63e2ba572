"""Typed errors of the package; only the `…Unavailable` ones are retryable.

TaxiError
├── InvalidRequest        the requested dataset, month, rule or form of a variable does not exist
├── NotPublished          TLC has not published the month yet
├── SourceUnavailable     the source does not answer, or answers with a server error: retryable
├── BadFile               the source file is not a whole Parquet file
├── AlertUnavailable      the webhook does not accept an alert: retryable
├── SchemaBroken          the source file lacks required columns, or has one twice
└── StoreError
    ├── SliceMissing      the store does not have the requested month
    ├── SliceDamaged      the month's file exists and cannot be read
    ├── SchemaMismatch    the rows do not fit the table
    ├── Overtaken         another run has replaced an input of the rows
    └── StoreUnavailable  the store does not answer, is locked or is full: retryable
"""


class TaxiError(Exception):
    """Base class; the text names the problem and the next step for the user."""

    retryable = False


class InvalidRequest(TaxiError):
    """The request names something that does not exist; the text lists the valid choices."""


class NotPublished(TaxiError):
    """The source does not have the file: TLC answers 403 or 404 for a month that is not published yet."""


class SourceUnavailable(TaxiError):
    """The source does not answer, or answers with a server error."""

    retryable = True


class BadFile(TaxiError):
    """The source file is not a whole Parquet file."""


class SchemaBroken(TaxiError):
    """The source file lacks required columns, or has one twice."""


class AlertUnavailable(TaxiError):
    """The webhook does not accept an alert."""

    retryable = True


class StoreError(TaxiError):
    """Base class of the errors of stores."""


class SliceMissing(StoreError):
    """The store does not have the slice; the text names the asset to materialize."""


class SliceDamaged(StoreError):
    """The slice's file exists and cannot be read; the text names it."""


class SchemaMismatch(StoreError):
    """The rows do not fit the table."""


class Overtaken(StoreError):
    """Another run has replaced an input of the rows, so nothing was stored."""


class StoreUnavailable(StoreError):
    """The store does not answer, is locked, or is out of space."""

    retryable = True
