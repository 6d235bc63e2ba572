"""SVG charts of a month's figures; each is laid out for a given width, so that its text stays readable."""

import calendar
import math
from collections.abc import Mapping, Sequence
from datetime import date

from taxi_assets.report.chart_numbers import HOURS, SAME_WEEKDAY, WEEKDAYS, week_means
from taxi_assets.report.number_format import share_text
from taxi_assets.report.plot_frame import Frame
from taxi_assets.report.shapes import ZoneShapes
from taxi_assets.report.svg import BLUES, LINE, TEXT, Drawing, text_width

_HOUR_LABELS = {0: "midnight", 6: "6 am", 12: "noon", 18: "6 pm"}
_SWATCH = 18  # pixels: a shade in a legend


def days_chart(days: Mapping[date, int], month_days: Sequence[date], before: Mapping[date, int], width: int) -> Drawing:
    """Line chart of trips per day, with a dashed line for the same weekdays of the year before where it is loaded."""
    then = {day: before[day - SAME_WEEKDAY] for day in month_days if day - SAME_WEEKDAY in before}
    most = max([*days.values(), *then.values(), 1])
    frame = Frame(width, min(260, width * 0.62), most)
    drawing = Drawing(width, frame.below + 3 * LINE + 8, f"Trips on each day: {most:,} on the busiest one")
    day_width = (frame.right - frame.left) / len(month_days)
    x = {day: frame.left + (place + 0.5) * day_width for place, day in enumerate(month_days)}
    for day in month_days:
        if day.weekday() >= calendar.SATURDAY:
            drawing.rect(x[day] - day_width / 2, frame.above, day_width, frame.below - frame.above, "shade")
    frame.draw(drawing, "day of the month; weekends are shaded")
    for day in month_days:
        if day.day == 1 or (day.day % 5 == 0 and day.day < len(month_days)):
            drawing.text(x[day], frame.below + LINE - 2, str(day.day), "middle", "quiet")
    if then:
        drawing.line(width - 145, 8, width - 121, 8, "before")
        drawing.text(width - 115, 12, "the year before", kind="quiet")
        drawing.curve([(x[day], frame.y(trips)) for day, trips in then.items()], "before")
    drawing.curve([(x[day], frame.y(days.get(day, 0))) for day in month_days], "curve")
    for day in month_days:
        drawing.dot(x[day], frame.y(days.get(day, 0)), "mark")
    for day in month_days:
        compared = f", {then[day]:,} the year before" if day in then else ""
        text = f"{WEEKDAYS[day.weekday()]} {day.day}: {days.get(day, 0):,} trips{compared}"
        area = x[day] - day_width / 2, frame.above, day_width, frame.below - frame.above
        drawing.hover(area, text, (0, frame.below + 3 * LINE + 2))
    return drawing


def week_chart(hours: Mapping[tuple[date, int], int], month_days: Sequence[date], width: int) -> Drawing:
    """Heat map of weekday by hour: mean trips per hour over the month's four or five days of each weekday."""
    means = week_means(hours, month_days)
    most = max(map(max, means))
    left, cell_height = 38, min(max(24.0, width / 17), 34.0)
    cell = (width - left - 2) / HOURS
    drawing = Drawing(
        width, 7 * cell_height + 4.6 * LINE, f"Trips by hour and weekday: {most:,.0f} in the busiest hour"
    )
    for weekday, name in enumerate(WEEKDAYS):
        drawing.text(0, weekday * cell_height + cell_height / 2 + 4, name, kind="quiet")
        for hour, mean in enumerate(means[weekday]):
            blue = min(int(mean / most * BLUES), BLUES - 1) if most else 0
            area = left + hour * cell, weekday * cell_height, cell - 1, cell_height - 1
            drawing.rect(*area, f"q{blue}")
            text = f"{name} {hour:02}:00 to {hour + 1:02}:00: {mean:,.0f} trips"
            drawing.hover(area, text, (left, 7 * cell_height + 4.2 * LINE))
    for hour, label in _HOUR_LABELS.items():
        drawing.text(left + hour * cell, 7 * cell_height + LINE - 2, label, kind="quiet")
    _scale(drawing, left, 7 * cell_height + LINE + 12, f"{most:,.0f} trips an hour")
    return drawing


def bars_chart(rows: Sequence[tuple[str, int]], total: int, label: str, width: int) -> Drawing:
    """Horizontal bar chart: name, trips and share of the total."""
    most = max(count for _, count in rows)
    drawing = Drawing(width, len(rows) * 42, label)
    for place, (name, count) in enumerate(rows):
        y = place * 42
        drawing.text(0, y + TEXT + 2, _shortened(name, width - text_width(f"{count:,} (99.9%)") - 12))
        drawing.text(width, y + TEXT + 2, f"{count:,} ({share_text(count, total)})", "end", "quiet")
        drawing.rect(0, y + TEXT + 9, width, 10, "none")
        drawing.rect(0, y + TEXT + 9, max(count / most * width, 1), 10, "mark")
    return drawing


def map_chart(zones: Mapping[int, int], shapes: ZoneShapes, names: Mapping[int, str], width: int) -> Drawing:
    """Choropleth map of pickups by zone; each shade stands for about three times the pickups of the one before."""
    scale = (width - 4) / shapes.width
    edges = _shade_bounds(max(zones.values()))
    legend = shapes.height * scale + 14
    drawing = Drawing(
        width, legend + 2.4 * LINE, f"Map of where trips began; most in {names.get(next(iter(zones)), 'a zone')}"
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
            drawing.text(2 + place * swatch, legend + LINE + 9, f"{edge:,}{'+' if place else ''}", kind="quiet")
    return drawing


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


def _shortened(text: str, width: float) -> str:
    most = int(width / text_width("m"))
    return text if len(text) <= most else text[: most - 1] + "…"
