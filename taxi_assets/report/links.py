"""Links between the pages of the lake, relative, so that they work in a folder as in a bucket."""

import calendar
from collections.abc import Container
from dataclasses import dataclass

from taxi_assets.catalog import Dataset, Layer
from taxi_assets.month import Month

INDEX_FOLDER, INDEX_FILE = "report", "index.html"  # in the lake
_UP = "../.."  # from a month's page, `green/report/….html`, to the lake


@dataclass(frozen=True)
class Link:
    """A link: its text and its relative URL."""

    text: str
    url: str


@dataclass(frozen=True)
class MonthLinks:
    """The links of a month's page.

    Attributes:
        previous: to the month before; None on the dataset's first month.
        index: to the month's place in the index.
        following: to the month after.
    """

    previous: Link | None
    index: Link
    following: Link


def month_links(dataset: Dataset, month: Month, pages: Container[str]) -> MonthLinks:
    """The links of a month's page.

    A month without a page is linked by its place in the index: it may get one later, and this page is not made again
    then.

    Args:
        dataset: of the month.
        month: the month.
        pages: file names of the dataset's pages in the lake.
    """

    def link(other: Month) -> Link:
        page = dataset.page_file_template.format(month=other)
        return Link(month_title(other), page if page in pages else _in_index(dataset, other))

    previous = month.plus(-1)
    return MonthLinks(
        link(previous) if previous >= dataset.first_month else None,
        Link("All months", _in_index(dataset, month)),
        link(month.plus(1)),
    )


def page_url(dataset: Dataset, month: Month) -> str:
    """From the index to the month's page."""
    return f"../{dataset.path(Layer.REPORT)}/{dataset.page_file_template.format(month=month)}"


def anchor(dataset: Dataset, month: Month) -> str:
    """The id of the month's place in the index."""
    return f"{dataset.name}-{month}"


def month_title(month: Month) -> str:
    """The month as in "January 2024"."""
    return f"{calendar.month_name[month.number]} {month.year}"


def _in_index(dataset: Dataset, month: Month) -> str:
    return f"{_UP}/{INDEX_FOLDER}/{INDEX_FILE}#{anchor(dataset, month)}"
