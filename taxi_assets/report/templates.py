"""Jinja templates of the pages: all data is escaped, and a name that is missing is an error."""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from taxi_assets.report.svg import COLOURS, STYLE

if TYPE_CHECKING:
    import jinja2


def render(template: str, **values: Any) -> str:
    """The template of that file name, with these values and the style of charts."""
    return _environment().get_template(template).render(style=COLOURS + STYLE, **values)


@cache
def _environment() -> "jinja2.Environment":
    """One for the process, since it keeps the compiled templates: compiling both takes 40 ms of CPU."""
    import jinja2

    folder = jinja2.FileSystemLoader(Path(__file__).parent)
    return jinja2.Environment(loader=folder, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
