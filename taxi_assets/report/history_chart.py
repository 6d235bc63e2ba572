"""SVG chart of a dataset's months over time: trips, revenue and the share in quarantine, one above the other."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from taxi_assets.month import Month
from taxi_assets.report.links import month_title
from taxi_assets.report.month_facts import MonthFacts
from taxi_assets.report.number_format import amount_text
from taxi_assets.report.svg import LINE, Drawing, nice_step, text_width

_HEIGHT = 64  # pixels: of the bars of a panel
_LEFT = 62  # pixels: for the labels of the y axis
_STEPS = 2
_FILLED = 0.82  # of a month's width
_YEAR_ROOM = 48  # pixels for the label of a year
_TWO_LINES = 500  # pixels: in a narrower chart the text of a month takes two lines


@dataclass(frozen=True)
class _Panel:
    """One panel: its title, the value of a month, and the text of a value on the axis."""

    title: str
    value: Callable[[MonthFacts], float]
    label: Callable[[float], str]


def _short(value: float) -> str:
    """The number with a suffix for thousands, millions and billions, as 1.5M."""
    for size, suffix in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g}{suffix}"
    return f"{value:g}"


_TRIPS = _Panel("Trips a month", lambda facts: facts.trips, _short)
_REVENUE = _Panel("Charged to passengers", lambda facts: facts.revenue or 0, lambda value: f"${_short(value)}")
_REJECTED = _Panel("In quarantine", lambda facts: facts.rejected_share, lambda value: f"{value * 100:.3g}%")


def history_chart(months: Sequence[Month], facts: Mapping[Month, MonthFacts], title: str, width: int) -> Drawing:
    """Bars by month, in a panel each for trips, revenue (where a month has any) and the share in quarantine.

    Args:
        months: the months of the x axis, without gaps.
        facts: of the months that are loaded.
        title: the dataset's title.
        width: in pixels.
    """
    panels = [_TRIPS, *([_REVENUE] if any(one.revenue is not None for one in facts.values()) else []), _REJECTED]
    high = _HEIGHT + 2 * LINE
    lines = 2.6 if width < _TWO_LINES else 1.6
    drawing = Drawing(
        width, len(panels) * high + lines * LINE, f"{title} by month: {', '.join(p.title for p in panels)}"
    )
    step = (width - _LEFT - 4) / len(months)
    x = {month: _LEFT + place * step for place, month in enumerate(months)}
    for place, panel in enumerate(panels):
        values = {x[month]: panel.value(one) for month, one in facts.items()}
        _draw_panel(drawing, panel, values, place * high + LINE + 8, step)
    below = len(panels) * high - LINE + 8
    for month in months:
        years = max(math.ceil(_YEAR_ROOM / (12 * step)), 1)
        if month.number == 1 and month.year % years == 0 and x[month] + _YEAR_ROOM <= width:
            drawing.text(x[month], below + LINE, str(month.year), kind="quiet")
    for month, one in facts.items():
        text = month_text(month, one, ",\n" if width < _TWO_LINES else ", ")
        drawing.hover((x[month], 0, step, below), text, (0, below + 2 * LINE))
    return drawing


def month_text(month: Month, facts: MonthFacts | None, separator: str = ", ") -> str:
    """The month and its values; `facts` is None for a page without facts, and the separator stands in the middle."""
    if facts is None:
        return f"{month_title(month)}: its page says nothing about it"
    charged = "" if facts.revenue is None else f", {amount_text(facts.revenue, '$', 0)} charged"
    states = "".join(f"; {state}" for state in facts.states)
    rejected = f"{facts.rejected_share:.1%} in quarantine{states}"
    return f"{month_title(month)}: {facts.trips:,} trips{charged}{separator}{rejected}"


def _draw_panel(drawing: Drawing, panel: _Panel, values: Mapping[float, float], above: float, step: float) -> None:
    most = max(values.values(), default=0)
    tick = nice_step(most, _STEPS)
    top = max(math.ceil(most / tick - 1e-9), 1) * tick
    below = above + _HEIGHT
    drawing.text(0, above - 10, panel.title, kind="strong")
    for number in range(round(top / tick) + 1):
        y = below - number * tick / top * _HEIGHT
        drawing.line(_LEFT, y, drawing.width - 4, y)
        label = panel.label(number * tick)
        drawing.text(max(_LEFT - 8, text_width(label)), y + 4, label, "end", "quiet")
    drawing.bars([(x, below - value / top * _HEIGHT) for x, value in values.items()], step * _FILLED, below, "mark")
