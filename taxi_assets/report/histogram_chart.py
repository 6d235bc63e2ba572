"""SVG histogram of trips by a quantity, and its numbers as a table."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from taxi_assets.report.chart_numbers import Numbers
from taxi_assets.report.figures import Histogram
from taxi_assets.report.number_format import CHART_LIMIT, amount_text, number_text, share_text
from taxi_assets.report.plot_frame import Frame
from taxi_assets.report.svg import LINE, Drawing, nice_step, text_width

_BINS = 24  # maximum number of a histogram's bins
_RANGE_QUANTILE = 0.97  # the bins cover this share of the trips; the overflow bin has the others
_GAP = 0.6  # of a bar's width: before the overflow bin
_ROUNDING = 1e-9  # 0.1 has no exact binary form, so that 0.3 / 0.1 is below 3


def histogram_chart(histogram: Histogram, unit: str, prefix: str, width: int) -> Drawing:
    """Histogram of trips, with the median as a line; an overflow bin on the right, and one for values below 0."""
    bins = _bins(histogram)
    bars = _Bars(bins, width)
    median = amount_text(histogram.median, prefix, 2 if prefix else 1, CHART_LIMIT)
    median = f"{median} {unit}".strip()
    frame = bars.frame
    drawing = Drawing(width, frame.below + 3 * LINE + 8, f"Half of the trips are below {median}")
    frame.draw(drawing, unit or "US dollars")
    for x, trips, _ in bars.placed(prefix, unit):
        height = frame.below - frame.y(trips)
        drawing.rect(x + 0.5, frame.y(trips), max(bars.width - 1, 1), height, "mark")
    bars.label(drawing, prefix, width)
    middle = bars.place(histogram.median)
    drawing.line(middle, frame.above - 8, middle, frame.below, "middle")
    text = f"half of the trips: below {median}"
    left_most = text_width("trips") + 10
    drawing.text(min(max(left_most, middle - 10), width - text_width(text)), 2 * LINE - 14, text, kind="strong other")
    for x, trips, sizes in bars.placed(prefix, unit):
        text = f"{sizes}: {trips:,} trips, {share_text(trips, bins.total)}"
        area = x, frame.above, bars.width, frame.below - frame.above
        drawing.hover(area, text, (0, frame.below + 3 * LINE + 2))
    return drawing


def histogram_numbers(histogram: Histogram, unit: str, prefix: str) -> Numbers:
    """The bars as a table: range of values, trips, share."""
    bins = _bins(histogram)
    rows = [(sizes, f"{trips:,}", share_text(trips, bins.total)) for sizes, trips in bins.ranges(prefix, unit)]
    return Numbers((unit or "US dollars", "trips", "share"), rows)


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

    def low(self, place: int, prefix: str) -> str:
        """The lower bound of a bin as text."""
        return f"{prefix}{_plain(place * self.step)}"

    def ranges(self, prefix: str, unit: str) -> list[tuple[str, int]]:
        """(Range of values as text, trips) of each bar, that below 0 first."""
        low = [self.low(place, prefix) for place in range(len(self.counts) + 1)]
        sizes = [f"{begin} to {end} {unit}".strip() for begin, end in pairwise(low[:-1])]
        named = [*sizes, f"{low[-2]} {unit}".strip() + " and more"]
        below = [(f"below {prefix}0 {unit}".strip(), self.below)] if self.below else []
        return [*below, *zip(named, self.counts, strict=True)]


class _Bars:
    """Layout of a histogram's bars; the bar below 0 and the overflow bar stand apart."""

    def __init__(self, bins: _Bins, width: float) -> None:
        self._bins = bins
        self._last = len(bins.counts) - 1
        self.frame = Frame(width, 150, max(bins.below, *bins.counts), above=2 * LINE + 6, steps=3)
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
        places = [self.frame.left] if self._bins.below else []
        places += [self._left(place) for place in range(self._last + 1)]
        for x, (sizes, trips) in zip(places, self._bins.ranges(prefix, unit), strict=True):
            yield x, trips, sizes

    def label(self, drawing: Drawing, prefix: str, width: float) -> None:
        """Draw the labels of the x axis, as many as have room."""
        y = self.frame.below + LINE - 2
        labels = [self._bins.low(place, prefix) for place in range(self._last + 1)]
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


def _plain(value: float) -> str:
    text = number_text(value, 2, CHART_LIMIT)
    return text.rstrip("0").rstrip(".") if value < CHART_LIMIT else text
