"""A small SVG writer: shapes and texts with CSS classes, styled by the page or by an embedded style sheet."""

import base64
import math
import re
from html import escape

# A scale of blues for quantities and an orange for comparisons, distinguishable with red-green colour blindness. Text
# has a contrast of at least 4.5 to 1 on its background, in light and in dark mode.
_LIGHT = {
    "ground": "#ffffff",
    "ink": "#1b1f24",
    "quiet": "#57606a",
    "line": "#d5dbe1",
    "shade": "#f1f4f7",
    "mark": "#2a6fb0",
    "other": "#b4500b",
    "none": "#eaecee",
}
_DARK = {
    "ground": "#161b22",
    "ink": "#e6edf3",
    "quiet": "#9da9b5",
    "line": "#343d48",
    "shade": "#1e2530",
    "mark": "#58a0e0",
    "other": "#ffa45c",
    "none": "#2a323c",
}
_LIGHT_BLUES = ("#d0e3f4", "#aecfec", "#8abbe1", "#5a9cd0", "#367fbb", "#1c5e98", "#0b3c6a")
_DARK_BLUES = ("#1b2f45", "#1f4468", "#25598a", "#3374ae", "#5392cd", "#86b7e4", "#c6e0f7")
BLUES = len(_LIGHT_BLUES)
TEXT = 12  # pixels
LINE = 18  # pixels: line height
_TOOLTIP = re.compile("<title>[^<]*</title>")
_HOVER = re.compile('<g class="hit">.*?</g>')
_FONT = 'system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif'


def _variables(colours: dict[str, str], blues: tuple[str, ...]) -> str:
    numbered = {f"q{place}": blue for place, blue in enumerate(blues)}
    return "".join(f"--{name}:{colour};" for name, colour in {**colours, **numbered}.items())


COLOURS = (
    f":root{{color-scheme:light dark;{_variables(_LIGHT, _LIGHT_BLUES)}}}"
    f"@media(prefers-color-scheme:dark){{:root{{{_variables(_DARK, _DARK_BLUES)}}}}}"
)
STYLE = (
    f"svg text{{font:{TEXT}px {_FONT};fill:var(--ink)}}"
    "svg rect{rx:2px}svg .quiet{fill:var(--quiet)}svg .strong{font-weight:600}"
    "svg .line{stroke:var(--line);stroke-width:1;fill:none}svg .shade{fill:var(--shade)}svg .none{fill:var(--none)}"
    "svg .mark{fill:var(--mark)}svg .curve{fill:none;stroke:var(--mark);stroke-width:2.5;stroke-linejoin:round}"
    "svg .before{fill:none;stroke:var(--other);stroke-width:2;stroke-dasharray:5 4;stroke-linejoin:round}"
    "svg .middle{stroke:var(--other);stroke-width:2}svg .other{fill:var(--other)}"
    "svg .zone{stroke:var(--ground);stroke-width:.7;stroke-linejoin:round}"
    "svg .zone:hover{stroke:var(--ink);stroke-width:2}"
    "svg .hit rect{fill:transparent}svg .hit text{visibility:hidden;font-weight:600}"
    "svg .hit:hover rect{fill:var(--ink);fill-opacity:.12}svg .hit:hover text{visibility:visible}"
    + "".join(f"svg .q{place}{{fill:var(--q{place})}}" for place in range(BLUES))
)


class Drawing:
    """Builds an SVG image; coordinates are pixels from the top left corner.

    Attributes:
        width: in pixels.
        height: in pixels.
    """

    def __init__(self, width: float, height: float, label: str) -> None:
        self.width = width
        self.height = height
        self._label = label
        self._parts: list[str] = []

    def text(self, x: float, y: float, text: str, anchor: str = "start", kind: str = "") -> None:
        """Add a text; `y` is its baseline."""
        attributes = f' text-anchor="{anchor}"' if anchor != "start" else ""
        self._parts.append(
            f'<text x="{_number(x)}" y="{_number(y)}"{attributes}{_class_attribute(kind)}>{escape(text)}</text>'
        )

    def rect(self, x: float, y: float, width: float, height: float, kind: str) -> None:
        """Add a rectangle."""
        place = f'x="{_number(x)}" y="{_number(y)}" width="{_number(width)}" height="{_number(height)}"'
        self._parts.append(f"<rect {place}{_class_attribute(kind)}/>")

    def line(self, x1: float, y1: float, x2: float, y2: float, kind: str = "line") -> None:
        """Add a straight line."""
        ends = f'x1="{_number(x1)}" y1="{_number(y1)}" x2="{_number(x2)}" y2="{_number(y2)}"'
        self._parts.append(f"<line {ends}{_class_attribute(kind)}/>")

    def curve(self, points: list[tuple[float, float]], kind: str) -> None:
        """Add a line through the points."""
        path = "L".join(f"{_number(x)} {_number(y)}" for x, y in points)
        self._parts.append(f'<path d="M{path}"{_class_attribute(kind)}/>')

    def dot(self, x: float, y: float, kind: str) -> None:
        """Add a dot."""
        self._parts.append(f'<circle cx="{_number(x)}" cy="{_number(y)}" r="3"{_class_attribute(kind)}/>')

    def bars(self, tops: list[tuple[float, float]], width: float, below: float, kind: str) -> None:
        """Add bars of one width as one outline, from their left top corners down to a common line."""
        path = "".join(
            f"M{_number(x)} {_number(below)}V{_number(y)}h{_number(width)}V{_number(below)}z" for x, y in tops
        )
        self._parts.append(f'<path d="{path}"{_class_attribute(kind)}/>')

    def hover(self, area: tuple[float, float, float, float], text: str, at: tuple[float, float]) -> None:
        """Add an area (x, y, width, height) that a pointer or a finger shades, and lines of text that show then."""
        x, y, width, height = area
        place = f'x="{_number(x)}" y="{_number(y)}" width="{_number(width)}" height="{_number(height)}"'
        lines = "".join(
            f'<text x="{_number(at[0])}" y="{_number(at[1] + number * LINE)}">{escape(line)}</text>'
            for number, line in enumerate(text.splitlines())
        )
        self._parts.append(f'<g class="hit"><rect {place}/>{lines}</g>')

    def path(self, d: str, kind: str, tooltip: str) -> None:
        """Add an outline with a tooltip."""
        self._parts.append(f'<path d="{d}"{_class_attribute(kind)}><title>{escape(tooltip)}</title></path>')

    def begin_group(self, transform: str) -> None:
        """Begin a group with a transform, up to `end_group`."""
        self._parts.append(f'<g transform="{transform}">')

    def end_group(self) -> None:
        """End the group."""
        self._parts.append("</g>")

    @property
    def svg(self) -> str:
        """The image for a page that includes `COLOURS` and `STYLE`."""
        return self._svg()

    @property
    def svg_without_tooltips(self) -> str:
        """The image for touch screens, which show no tooltips; a third smaller."""
        return _TOOLTIP.sub("", self._svg())

    @property
    def data_uri(self) -> str:
        """The image as a data URI with embedded style and background, for Markdown in the UI."""
        ground = f'<rect width="{_number(self.width)}" height="{_number(self.height)}" fill="var(--ground)"/>'
        alone = self._svg(' xmlns="http://www.w3.org/2000/svg"', f"<style>{COLOURS}{STYLE}</style>{ground}")
        return (
            f"data:image/svg+xml;base64,{base64.b64encode(_HOVER.sub('', _TOOLTIP.sub('', alone)).encode()).decode()}"
        )

    def _svg(self, attributes: str = "", before: str = "") -> str:
        size = f"{_number(self.width)} {_number(self.height)}"
        width, height = size.split(" ")
        return (
            f'<svg{attributes} viewBox="0 0 {size}" width="{width}" height="{height}" '
            f'role="img" aria-label="{escape(self._label)}">{before}{"".join(self._parts)}</svg>'
        )


def text_width(text: str) -> float:
    """The approximate width of a text in pixels."""
    return len(text) * TEXT * 0.58


def nice_step(span: float, steps: int) -> float:
    """The smallest step of the form 1, 2 or 5 times a power of ten with which `steps` steps cover the span."""
    least = span / steps
    scale = 10.0 ** math.floor(math.log10(least)) if least > 0 else 1.0
    return next(factor * scale for factor in (1, 2, 5, 10) if factor * scale >= least * 0.999999)


def _class_attribute(kind: str) -> str:
    return f' class="{kind}"' if kind else ""


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
