"""Renders the index of all months as one HTML page: key figures, and by dataset charts, a calendar and a table."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from taxi_assets.catalog import DATASETS, Dataset
from taxi_assets.month import Month
from taxi_assets.report.history_chart import history_chart, month_text
from taxi_assets.report.links import anchor, month_title, page_url
from taxi_assets.report.month_facts import MonthFacts
from taxi_assets.report.number_format import amount_text, large_text
from taxi_assets.report.svg import BLUES, Drawing
from taxi_assets.report.templates import render

_TEMPLATE = "index.html"
_PHONE, _DESKTOP = 332, 1078  # pixels, the inner width of a card
_NO_FACTS = "unknown"
_LOADED = "loaded"


@dataclass(frozen=True)
class Cell:
    """A month in a dataset's calendar.

    Attributes:
        id: the anchor.
        kind: CSS classes.
        text: the month and its values.
        url: of its page; None for a month without one.
    """

    id: str
    kind: str
    text: str
    url: str | None


@dataclass(frozen=True)
class Row:
    """A month in a dataset's table; its values as text."""

    month: str
    url: str
    trips: str
    charged: str
    rejected: str
    state: str


@dataclass(frozen=True)
class Section:
    """A dataset's part of the page.

    Attributes:
        name: the dataset's name.
        title: the heading.
        text: the caption.
        desktop: the chart over time for a desktop; None where no month has facts.
        phone: the same for a phone.
        years: year -> its twelve cells.
        rows: of the table, newest month first.
        has_revenue: whether TLC publishes amounts for the dataset.
    """

    name: str
    title: str
    text: str
    desktop: Drawing | None
    phone: Drawing | None
    years: Mapping[int, Sequence[Cell]]
    rows: Sequence[Row]
    has_revenue: bool


def index_page(datasets: Mapping[str, Mapping[Month, MonthFacts | None]], document: str) -> str:
    """The index as HTML, without scripts and external resources.

    Args:
        datasets: dataset's name -> month -> its facts, oldest first; None for a page without facts.
        document: the facts as JSON, which the page carries for its next update.
    """
    sections = [_section(dataset, datasets[dataset.name]) for dataset in DATASETS if datasets.get(dataset.name)]
    known = [facts for months in datasets.values() for facts in months.values() if facts is not None]
    return render(
        _TEMPLATE,
        title="New York taxi trips by month",
        sections=sections,
        tiles=_tiles(sum(map(len, datasets.values())), known),
        synthetic=any(facts.synthetic for facts in known),
        months=[month_title(Month(2024, number))[:3] for number in range(1, 13)],
        document=document,
    )


def _tiles(months: int, known: Sequence[MonthFacts]) -> list[tuple[str, str, str]]:
    """(Name, value, note) of each key figure."""
    trips = sum(facts.trips for facts in known)
    rejected, source_rows = sum(facts.rejected for facts in known), sum(facts.source_rows for facts in known)
    revenue = [facts.revenue for facts in known if facts.revenue is not None]
    share = f"{rejected / source_rows:.1%}" if source_rows else "0%"
    return [
        ("Months", f"{months:,}", "with a page"),
        ("Trips", large_text(trips), "that passed all rules"),
        ("Charged to passengers", large_text(math.fsum(revenue), "$"), "where TLC publishes amounts"),
        ("In quarantine", share, f"{rejected:,} of {source_rows:,} records"),
    ]


def _section(dataset: Dataset, months: Mapping[Month, MonthFacts | None]) -> Section:
    facts = {month: one for month, one in months.items() if one is not None}
    first, last = min(months), max(months)
    axis = list(first.until(last))
    gaps = len(axis) - len(months)
    caption = f"{len(months):,} months, {month_title(first)} to {month_title(last)}"
    most = max((one.trips for one in facts.values()), default=0)
    has_revenue = any(one.revenue is not None for one in facts.values())
    return Section(
        dataset.name,
        dataset.title,
        f"{caption}; {gaps:,} in between {'is' if gaps == 1 else 'are'} not in the lake." if gaps else f"{caption}.",
        history_chart(axis, facts, dataset.title, _DESKTOP) if facts else None,
        history_chart(axis, facts, dataset.title, _PHONE) if facts else None,
        {
            year: [_cell(dataset, Month(year, number), months, most) for number in range(1, 13)]
            for year in range(last.year, first.year - 1, -1)
        },
        [_row(dataset, month, months[month]) for month in sorted(months, reverse=True)],
        has_revenue,
    )


def _cell(dataset: Dataset, month: Month, months: Mapping[Month, MonthFacts | None], most: int) -> Cell:
    if month not in months:
        missing = "before the first" if month < dataset.first_month else "not in the lake"
        return Cell(anchor(dataset, month), "none", f"{month_title(month)}: {missing}", None)
    facts = months[month]
    kinds = ["q0" if facts is None else _shade(facts.trips, most)]
    if facts is None or set(facts.states) - {"synthetic"}:
        kinds.append("odd")
    return Cell(anchor(dataset, month), " ".join(kinds), month_text(month, facts), page_url(dataset, month))


def _shade(trips: int, most: int) -> str:
    return f"q{min(trips * BLUES // most, BLUES - 1) if most else 0}"


def _row(dataset: Dataset, month: Month, facts: MonthFacts | None) -> Row:
    url = page_url(dataset, month)
    if facts is None:
        return Row(month_title(month), url, "", "", "", _NO_FACTS)
    charged = "" if facts.revenue is None else amount_text(facts.revenue, "$", 0)
    state = _joined(facts.states) or _LOADED
    return Row(month_title(month), url, f"{facts.trips:,}", charged, f"{facts.rejected_share:.1%}", state)


def _joined(states: Iterable[str]) -> str:
    return ", ".join(states)
