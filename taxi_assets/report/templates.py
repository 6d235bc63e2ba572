"""Jinja templates of the pages: all data is escaped, and a name that is missing is an error."""

from pathlib import Path
from typing import Any

from taxi_assets.report.svg import COLOURS, STYLE


def render(template: str, **values: Any) -> str:
    """The template of that file name, with these values and the style of charts."""
    import jinja2

    folder = jinja2.FileSystemLoader(Path(__file__).parent)
    environment = jinja2.Environment(loader=folder, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    return environment.get_template(template).render(style=COLOURS + STYLE, **values)
