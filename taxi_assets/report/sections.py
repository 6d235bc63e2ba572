"""The charts of a month's page with their titles and captions; charts without data are left out."""

import calendar
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import partial

from taxi_assets.catalog import Dataset
from taxi_assets.month import Month
from taxi_assets.report.chart_numbers import Numbers, counts_numbers, days_numbers, week_means, week_numbers
from taxi_assets.report.charts import bars_chart, days_chart, map_chart, week_chart
from taxi_assets.report.figures import Figures
from taxi_assets.report.histogram_chart import histogram_chart, histogram_numbers
from taxi_assets.report.links import month_title
from taxi_assets.report.shapes import ZoneShapes
from taxi_assets.report.svg import Drawing

_PHONE = 332  # pixels, the inner width of a card
_DESKTOP = {"full": 960, "half": 508, "third": 332}
_TOP_ZONES = 12
_NOT_RECORDED = "Not recorded"


@dataclass(frozen=True)
class Zones:
    """Names and shapes of the zones.

    Attributes:
        names: zone -> name; empty without a zone lookup.
        shapes: outlines; None where neither lake nor source has them.
    """

    names: Mapping[int, str]
    shapes: ZoneShapes | None

    def name(self, zone: int) -> str:
        """The zone's name, or its number where the name is unknown."""
        return self.names.get(zone, f"Zone {zone}")


@dataclass(frozen=True)
class Chart:
    """A chart with its title and caption.

    Attributes:
        title: the heading.
        text: the caption.
        span: its share of the page's width on a desktop: full, half or third.
        desktop: the drawing for a desktop.
        phone: the drawing for a phone; the same object where the desktop's is as narrow.
        numbers: what it shows, as a table; None where the drawing has the numbers as text.
    """

    title: str
    text: str
    span: str
    desktop: Drawing
    phone: Drawing
    numbers: Numbers | None = None


def month_charts(
    dataset: Dataset, month: Month, figures: Figures, year_before: Mapping[date, int] | None, zones: Zones
) -> list[Chart]:
    """The charts of the month, in the page's order.

    Args:
        dataset: the month's dataset.
        month: the month.
        figures: aggregates of its clean rows.
        year_before: day -> trips of the same month a year before; None where it is not loaded.
        zones: names and shapes.
    """
    if not figures.trips:
        return []
    return [
        *_times(dataset, month, figures, year_before),
        *_payments(dataset, figures),
        *_histograms(figures),
        *_places(figures, zones),
    ]


def days_of(month: Month) -> list[date]:
    """The days of the month."""
    return [date(month.year, month.number, day + 1) for day in range(calendar.monthrange(month.year, month.number)[1])]


def _chart(title: str, text: str, span: str, draw: Callable[[int], Drawing], numbers: Numbers | None = None) -> Chart:
    desktop = draw(_DESKTOP[span])
    return Chart(title, text, span, desktop, desktop if _DESKTOP[span] == _PHONE else draw(_PHONE), numbers)


def _times(dataset: Dataset, month: Month, figures: Figures, year_before: Mapping[date, int] | None) -> Iterator[Chart]:
    days, a_year_before = days_of(month), month.plus(-12)
    if year_before:
        text = f"Each dot is a day. The dashed line is the same weekday of {month_title(a_year_before)}."
    else:
        text = f"Each dot is a day. {month_title(a_year_before)} is not loaded, so there is nothing to compare with."
    yield _chart(
        "Trips per day",
        text,
        "full",
        lambda width: days_chart(figures.days, days, year_before or {}, width),
        days_numbers(figures.days, days, year_before or {}),
    )
    text = "How many trips began in each hour of each weekday, on average over the month."
    # Full width where no chart of payments stands beside it and the three histograms fill a row of their own.
    span = "full" if figures.amount is not None and not _has_payments(figures) else "half"
    numbers = week_numbers(week_means(figures.hours, days))
    yield _chart("When people ride", text, span, lambda width: week_chart(figures.hours, days, width), numbers)


def _payments(dataset: Dataset, figures: Figures) -> Iterator[Chart]:
    if not _has_payments(figures):
        return
    meanings = {str(code): meaning for code, meaning in dataset.column("payment_type").codes.items()}
    rows = [
        (_NOT_RECORDED if code is None else meanings.get(str(code), f"code {code}").capitalize(), trips)
        for code, trips in figures.payments.items()
    ]
    title = "How people pay"
    text = "Trips by kind of payment. Some companies do not report it."
    yield _chart(title, text, "half", lambda width: bars_chart(rows, figures.trips, title, width))


def _has_payments(figures: Figures) -> bool:
    return any(code is not None for code in figures.payments)


def _histograms(figures: Figures) -> Iterator[Chart]:
    longer = "Trips by length. The last bar has all longer ones."
    higher = "Trips by what the passenger was charged. The last bar has all higher amounts."
    there = [
        (title, text, partial(histogram_chart, histogram, unit, prefix), histogram_numbers(histogram, unit, prefix))
        for title, text, histogram, unit, prefix in (
            ("How far", longer, figures.distance, "miles", ""),
            ("How long", longer, figures.duration, "minutes", ""),
            ("How much", higher, figures.amount, "", "$"),
        )
        if histogram is not None
    ]
    for title, text, draw, numbers in there:
        yield _chart(title, text, "third" if len(there) > 1 else "half", draw, numbers)


def _places(figures: Figures, zones: Zones) -> Iterator[Chart]:
    if not figures.zones:
        return
    names = {zone: zones.name(zone) for zone in {*figures.zones, *(zones.shapes.outlines if zones.shapes else ())}}
    top = [(names[zone], trips) for zone, trips in list(figures.zones.items())[:_TOP_ZONES]]
    text = "The taxi zones with the most pickups."
    shapes = zones.shapes
    if shapes is None:
        text += " A map needs TLC's shapes of the zones, and neither the lake nor the source has them."
    else:
        yield _chart(
            "Where trips begin",
            "How many trips began in each taxi zone; each shade stands for about three times the one before.",
            "half",
            lambda width: map_chart(figures.zones, shapes, names, width),
            counts_numbers("zone", [(names[zone], trips) for zone, trips in figures.zones.items()]),
        )
    yield _chart("The busiest zones", text, "half", lambda width: bars_chart(top, figures.trips, text, width))
