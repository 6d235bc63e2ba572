"""SVG charts of a month's figures; each is laid out for a given width, so that its text stays readable."""

import calendar
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from taxi_assets.report.figures import Histogram
from taxi_assets.report.number_format import CHART_LIMIT, amount_text, number_text
from taxi_assets.report.shapes import ZoneShapes
from taxi_assets.report.svg import BLUES, TEXT, Drawing, nice_step, text_width

SAME_WEEKDAY = timedelta(days=364)  # 52 weeks: weekdays differ more from each other than years do
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_HOURS = 24
_HOUR_LABELS = {0: "midnight", 6: "6 am", 12: "noon", 18: "6 pm"}
_BINS = 24  # maximum number of a histogram's bins
_RANGE_QUANTILE = 0.97  # the bins cover this share of the trips; the overflow bin has the others
_GAP = 0.6  # of a bar's width: before the overflow bin
_ROUNDING = 1e-9  # 0.1 has no exact binary form, so that 0.3 / 0.1 is below 3
_LEAST_SHARE = 0.001  # a smaller one would be shown as 0.0%
_SWATCH = 18  # pixels: a shade in a legend
_LINE = 18  # pixels: line height


def days_chart(days: Mapping[date, int], month_days: Sequence[date], before: Mapping[date, int], width: int) -> Drawing:
    """Line chart of trips per day, with a dashed line for the same weekdays of the year before where it is loaded."""
    then = {day: before[day - SAME_WEEKDAY] for day in month_days if day - SAME_WEEKDAY in before}
    most = max([*days.values(), *then.values(), 1])
    frame = _Frame(width, min(260, width * 0.62), most)
    drawing = Drawing(width, frame.below + 2 * _LINE + 8, f"Trips on each day: {most:,} on the busiest one")
    day_width = (frame.right - frame.left) / len(month_days)
    x = {day: frame.left + (place + 0.5) * day_width for place, day in enumerate(month_days)}
    for day in month_days:
        if day.weekday() >= calendar.SATURDAY:
            drawing.rect(x[day] - day_width / 2, frame.above, day_width, frame.below - frame.above, "shade")
    frame.draw(drawing, "day of the month; weekends are shaded")
    for day in month_days:
        if day.day == 1 or (day.day % 5 == 0 and day.day < len(month_days)):
            drawing.text(x[day], frame.below + _LINE - 2, str(day.day), "middle", "quiet")
    if then:
        drawing.line(width - 145, 8, width - 121, 8, "before")
        drawing.text(width - 115, 12, "the year before", kind="quiet")
        drawing.curve([(x[day], frame.y(trips)) for day, trips in then.items()], "before")
    drawing.curve([(x[day], frame.y(days.get(day, 0))) for day in month_days], "curve")
    for day in month_days:
        name, trips = _WEEKDAYS[day.weekday()], days.get(day, 0)
        compared = f"; {then[day]:,} on {name} {day - SAME_WEEKDAY}" if day in then else ""
        drawing.dot(x[day], frame.y(trips), "mark", f"{name} {day}: {trips:,} trips{compared}")
    return drawing


def week_chart(hours: Mapping[tuple[date, int], int], month_days: Sequence[date], width: int) -> Drawing:
    """Heat map of weekday by hour: mean trips per hour over the month's four or five days of each weekday."""
    times = [sum(day.weekday() == weekday for day in month_days) for weekday in range(7)]
    means = [[0.0] * _HOURS for _ in range(7)]
    for (day, hour), trips in hours.items():
        means[day.weekday()][hour] += trips / times[day.weekday()]
    most = max(map(max, means))
    left, cell_height = 38, min(max(24.0, width / 17), 34.0)
    cell = (width - left - 2) / _HOURS
    drawing = Drawing(
        width, 7 * cell_height + 3.6 * _LINE, f"Trips by hour and weekday: {most:,.0f} in the busiest hour"
    )
    for weekday, name in enumerate(_WEEKDAYS):
        drawing.text(0, weekday * cell_height + cell_height / 2 + 4, name, kind="quiet")
        for hour, mean in enumerate(means[weekday]):
            blue = min(int(mean / most * BLUES), BLUES - 1) if most else 0
            tooltip = f"{name} {hour:02}:00 to {hour + 1:02}:00: {mean:,.0f} trips"
            place = left + hour * cell, weekday * cell_height
            drawing.rect(*place, cell - 1, cell_height - 1, f"q{blue}", tooltip=tooltip)
    for hour, label in _HOUR_LABELS.items():
        drawing.text(left + hour * cell, 7 * cell_height + _LINE - 2, label, kind="quiet")
    _scale(drawing, left, 7 * cell_height + _LINE + 12, f"{most:,.0f} trips an hour")
    return drawing


def histogram_chart(histogram: Histogram, unit: str, prefix: str, width: int) -> Drawing:
    """Histogram of trips, with the median as a line; an overflow bin on the right, and one for values below 0."""
    bins = _bins(histogram)
    bars = _Bars(bins, width)
    median = amount_text(histogram.median, prefix, 2 if prefix else 1, CHART_LIMIT)
    median = f"{median} {unit}".strip()
    frame = bars.frame
    drawing = Drawing(width, frame.below + 2 * _LINE + 8, f"Half of the trips are below {median}")
    frame.draw(drawing, unit or "US dollars")
    for x, trips, sizes in bars.placed(prefix, unit):
        height = frame.below - frame.y(trips)
        tooltip = f"{sizes}: {trips:,} trips, {_share(trips, bins.total)}"
        drawing.rect(x + 0.5, frame.y(trips), max(bars.width - 1, 1), height, "mark", tooltip=tooltip)
    bars.label(drawing, prefix, width)
    middle = bars.place(histogram.median)
    drawing.line(middle, frame.above - 8, middle, frame.below, "middle")
    text = f"half of the trips: below {median}"
    left_most = text_width("trips") + 10
    drawing.text(min(max(left_most, middle - 10), width - text_width(text)), 2 * _LINE - 14, text, kind="strong other")
    return drawing


def bars_chart(rows: Sequence[tuple[str, int]], total: int, label: str, width: int) -> Drawing:
    """Horizontal bar chart: name, trips and share of the total."""
    most = max(count for _, count in rows)
    drawing = Drawing(width, len(rows) * 42, label)
    for place, (name, count) in enumerate(rows):
        y = place * 42
        drawing.text(0, y + TEXT + 2, _shortened(name, width - text_width(f"{count:,} (99.9%)") - 12))
        drawing.text(width, y + TEXT + 2, f"{count:,} ({_share(count, total)})", "end", "quiet")
        drawing.rect(0, y + TEXT + 9, width, 10, "none")
        drawing.rect(0, y + TEXT + 9, max(count / most * width, 1), 10, "mark", tooltip=f"{name}: {count:,} trips")
    return drawing


def map_chart(zones: Mapping[int, int], shapes: ZoneShapes, names: Mapping[int, str], width: int) -> Drawing:
    """Choropleth map of pickups by zone; each shade stands for about three times the pickups of the one before."""
    scale = (width - 4) / shapes.width
    edges = _shade_bounds(max(zones.values()))
    legend = shapes.height * scale + 14
    drawing = Drawing(
        width, legend + 2.4 * _LINE, f"Map of where trips began; most in {names.get(next(iter(zones)), 'a zone')}"
    )
    drawing.begin_group(f"translate(2 2) scale({scale:.4f})")
    for zone, outline in shapes.outlines.items():
        trips = zones.get(zone, 0)
        blue = sum(trips >= edge for edge in edges) - 1
        kind = "zone none" if not trips else f"zone q{max(blue, 0) + BLUES - len(edges)}"
        drawing.path(outline, kind, f"{names.get(zone, f'Zone {zone}')}: {trips:,} trips")
    drawing.end_group()
    swatch = min(70.0, (width - 4) / (len(edges) + 1))
    every = math.ceil((text_width(f"{edges[-1]:,}+") + 4) / swatch)
    for place, edge in enumerate([0, *edges]):
        kind = f"q{place - 1 + BLUES - len(edges)}" if place else "none"
        drawing.rect(2 + place * swatch, legend, swatch - 2, 12, kind)
        if (len(edges) - place) % every == 0:
            drawing.text(2 + place * swatch, legend + _LINE + 9, f"{edge:,}{'+' if place else ''}", kind="quiet")
    return drawing


class _Frame:
    """A chart's plot area, its y axis of trips, and its grid lines."""

    def __init__(self, width: float, height: float, most: int, *, above: float = _LINE + 8, steps: int = 4) -> None:
        self._step = max(nice_step(most, steps), 1)
        self._top = math.ceil(most / self._step) * self._step
        self.left = text_width(f"{self._top:,.0f}") + 8
        self.right = width - 4
        self.above = above
        self.below = above + height

    def y(self, trips: float) -> float:
        """The y coordinate of a number of trips."""
        return self.below - trips / self._top * (self.below - self.above)

    def draw(self, drawing: Drawing, name: str) -> None:
        """Draw the grid lines with their labels, and the name of the x axis."""
        drawing.text(0, 12, "trips", kind="quiet")
        for tick in range(round(self._top / self._step) + 1):
            y = self.y(tick * self._step)
            drawing.line(self.left, y, self.right, y)
            drawing.text(self.left - 8, y + 4, f"{tick * self._step:,.0f}", "end", "quiet")
        drawing.text((self.left + self.right) / 2, self.below + 2 * _LINE, name, "middle", "quiet")


@dataclass(frozen=True)
class _Bins:
    """The bins of a histogram chart.

    Attributes:
        step: bin width, in the histogram's unit.
        below: trips with a value below 0.
        counts: trips per bin from 0 on; the last one is the overflow bin.
    """

    step: float
    below: int
    counts: Sequence[int]

    @property
    def total(self) -> int:
        return self.below + sum(self.counts)


class _Bars:
    """Layout of a histogram's bars; the bar below 0 and the overflow bar stand apart."""

    def __init__(self, bins: _Bins, width: float) -> None:
        self._bins = bins
        self._last = len(bins.counts) - 1
        self.frame = _Frame(width, 150, max(bins.below, *bins.counts), above=2 * _LINE + 6, steps=3)
        before = 1 + _GAP if bins.below else 0
        self.width = (self.frame.right - self.frame.left) / (before + self._last + 1 + _GAP)
        self._zero = self.frame.left + before * self.width

    def place(self, value: float) -> float:
        """The x coordinate of a value; values below 0 share one."""
        if value < 0:
            return self.frame.left + self.width / 2
        return self._zero + min(value / self._bins.step, self._last) * self.width

    def placed(self, prefix: str, unit: str) -> Iterator[tuple[float, int, str]]:
        """(x coordinate, trips, range of values as text) for each bar."""
        if self._bins.below:
            yield self.frame.left, self._bins.below, f"below {prefix}0 {unit}".strip()
        low = [self._low(place, prefix) for place in range(self._last + 2)]
        for place, trips in enumerate(self._bins.counts):
            sizes = (
                f"{low[place]} {unit} and more" if place == self._last else f"{low[place]} to {low[place + 1]} {unit}"
            )
            yield self._left(place), trips, sizes

    def label(self, drawing: Drawing, prefix: str, width: float) -> None:
        """Draw the labels of the x axis, as many as have room."""
        y = self.frame.below + _LINE - 2
        labels = [self._low(place, prefix) for place in range(self._last + 1)]
        room = max(map(text_width, ["00000", *labels[:-1]]))
        end = f"{labels[-1]}+"
        if self._bins.below:
            drawing.text(self.frame.left + self.width / 2, y, "<0", "middle", "quiet")
        for place in range(0, self._last, math.ceil(room / self.width)):
            x = self._left(place)
            if self._left(self._last) - x > room and x + room / 2 < width - text_width(end):
                drawing.text(x, y, labels[place], "middle", "quiet")
        drawing.text(width, y, end, "end", "quiet")

    def _left(self, place: int) -> float:
        return self._zero + (place + (_GAP if place == self._last else 0)) * self.width

    def _low(self, place: int, prefix: str) -> str:
        return f"{prefix}{_plain(place * self._bins.step)}"


def _bins(histogram: Histogram) -> _Bins:
    most = max(histogram.quantile(_RANGE_QUANTILE), histogram.step)
    step = max(nice_step(most, _BINS), histogram.step)
    below, counts = 0, [0] * (math.ceil(most / step) + 1)
    for value, trips in histogram.counts.items():
        if value < 0:  # if the rule `negative_amount` or `impossible_distance` is off
            below += trips
        else:
            counts[min(int(value * histogram.step / step + _ROUNDING), len(counts) - 1)] += trips
    return _Bins(step, below, counts)


def _shade_bounds(most: int) -> list[int]:
    """Lower bounds of a map's shades: 1, 3, 10, 30, … up to the maximum; the lowest are merged where they are many."""
    edges = [factor * 10**power for power in range(len(str(most))) for factor in (1, 3)]
    reached = [edge for edge in edges if edge <= most]
    return [1, *reached[1 - BLUES :]] if len(reached) > BLUES else reached


def _scale(drawing: Drawing, x: float, y: float, most: str) -> None:
    drawing.text(x, y + 11, "0", kind="quiet")
    begin = x + text_width("0") + 8
    for blue in range(BLUES):
        drawing.rect(begin + blue * _SWATCH, y, _SWATCH - 1, 13, f"q{blue}")
    drawing.text(begin + BLUES * _SWATCH + 7, y + 11, most, kind="quiet")


def _plain(value: float) -> str:
    text = number_text(value, 2, CHART_LIMIT)
    return text.rstrip("0").rstrip(".") if value < CHART_LIMIT else text


def _share(count: int, total: int) -> str:
    share = count / total
    return "under 0.1%" if 0 < share < _LEAST_SHARE else f"{share:.1%}"


def _shortened(text: str, width: float) -> str:
    most = int(width / text_width("m"))
    return text if len(text) <= most else text[: most - 1] + "…"
