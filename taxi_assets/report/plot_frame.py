"""A chart's plot area with its y axis of trips."""

import math

from taxi_assets.report.svg import LINE, Drawing, nice_step, text_width


class Frame:
    """A chart's plot area, its y axis of trips, and its grid lines."""

    def __init__(self, width: float, height: float, most: int, *, above: float = LINE + 8, steps: int = 4) -> None:
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
        drawing.text((self.left + self.right) / 2, self.below + 2 * LINE, name, "middle", "quiet")
