"""Everything that can go wrong, as one tree; only what is called `…Unavailable` is worth a retry.

TaxiError
├── InvalidRequest        asked for something that does not exist (a dataset, a month, a rule, a variable's form)
├── NotPublished          TLC has not published that month (yet)
├── SourceUnavailable     the source does not answer, or answers with a server error: try again
├── BadFile               what the source sent is not a whole Parquet file
├── AlertUnavailable      the webhook does not take an alert: try again
├── SchemaBroken          a whole Parquet file, without the columns that a dataset cannot do without
└── StoreError
    ├── SliceMissing      the month that was asked for is not in the store
    ├── SliceDamaged      the month's file is there, and cannot be read
    ├── SchemaMismatch    the rows do not fit the table
    ├── Overtaken         what the rows were made from was replaced meanwhile
    └── StoreUnavailable  the store does not answer, is locked or is full: try again
"""


class TaxiError(Exception):
    """The root: its text is written for the person who reads it and says what to do next."""

    retryable = False


class InvalidRequest(TaxiError):
    """Asked for something that does not exist; the text lists what does."""


class NotPublished(TaxiError):
    """The source has no such file: TLC answers 403 (or 404) for a month that is not out yet."""


class SourceUnavailable(TaxiError):
    """The source could not be reached or answered with a server error."""

    retryable = True


class BadFile(TaxiError):
    """What arrived is not a whole Parquet file."""


class SchemaBroken(TaxiError):
    """The file lacks columns that its dataset cannot do without, or holds one twice."""


class AlertUnavailable(TaxiError):
    """An alert could not be delivered."""

    retryable = True


class StoreError(TaxiError):
    """A store could not do what it was asked."""


class SliceMissing(StoreError):
    """The slice is not in the store; the text names what to materialize."""


class SliceDamaged(StoreError):
    """The slice's file is there and cannot be read; the text names it."""


class SchemaMismatch(StoreError):
    """The rows and the table they are meant for do not fit."""


class Overtaken(StoreError):
    """What the rows were made from was replaced by another run meanwhile, so that nothing of them was stored."""


class StoreUnavailable(StoreError):
    """The store does not answer, is locked, or is out of space."""

    retryable = True
