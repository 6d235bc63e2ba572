"""Render a month's report: as a self-contained HTML page, and its charts as Markdown for the UI."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from taxi_assets.catalog import RULES, Dataset, Rule
from taxi_assets.month import Month
from taxi_assets.report.figures import Example, Figures
from taxi_assets.report.links import MonthLinks, month_title
from taxi_assets.report.month_facts import MonthFacts, month_facts
from taxi_assets.report.number_format import amount_text, number_text
from taxi_assets.report.sections import Chart, Zones, month_charts
from taxi_assets.report.templates import render
from taxi_assets.source.synthetic import is_synthetic_provenance
from taxi_assets.stores.rows import PROVENANCE

_TEMPLATE = "page.html"
# Columns that the examples of quarantined rows show first.
_LEADING_COLUMNS = (
    "pickup_datetime",
    "dropoff_datetime",
    "pickup_location_id",
    "dropoff_location_id",
    "trip_distance",
    "trip_miles",
    "total_amount",
)


@dataclass(frozen=True)
class MonthReport:
    """The data of a month's page.

    Attributes:
        dataset: the month's dataset.
        month: the month.
        figures: aggregates of the clean rows.
        year_before: day -> trips of the same month a year before; None where that is not loaded.
        examples: rule -> examples of rows whose first broken rule it is.
        zones: names and shapes.
        provenance: of the clean rows.
        links: to the other pages.
    """

    dataset: Dataset
    month: Month
    figures: Figures
    year_before: Mapping[date, int] | None
    examples: Mapping[str, Sequence[Example]]
    zones: Zones
    provenance: Mapping[str, str]
    links: MonthLinks

    @property
    def title(self) -> str:
        """The heading, as in "Green taxi trips, January 2022"."""
        return f"{self.dataset.title}, {month_title(self.month)}"

    @property
    def charts(self) -> list[Chart]:
        """The charts, in the page's order."""
        return month_charts(self.dataset, self.month, self.figures, self.year_before, self.zones)


@dataclass(frozen=True)
class Tile:
    """A key figure at the top of the page."""

    name: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class RejectedRows:
    """A rule, the number of rows that it rejected, and examples of them as a table."""

    rule: Rule
    rows: int
    columns: Sequence[str]
    examples: Sequence[Example]


def page(report: MonthReport, charts: Sequence[Chart]) -> str:
    """The page as HTML, without scripts and external resources; all data is escaped."""
    rejected = _rejected_by_rule(report)
    changes = json.loads(report.provenance.get(f"{PROVENANCE}changes", "null"))
    return render(
        _TEMPLATE,
        title=report.title,
        tiles=_tiles(report),
        charts=charts,
        rejected=[_rejected(report, rule, rejected[rule.name]) for rule in RULES if rejected.get(rule.name)],
        unbroken=[rule for rule in RULES if rejected.get(rule.name) == 0],
        rejected_rows=sum(rejected.values()),
        source_rows=_source_rows(report),
        synthetic=is_synthetic_provenance(report.provenance),
        changes=changes,
        loaded_before=_loaded_before(changes or {}, report.provenance),
        links=report.links,
        facts=_facts(report).to_json(),
        source={key.removeprefix(f"{PROVENANCE}source_"): value for key, value in report.provenance.items()},
    )


def markdown(charts: Sequence[Chart]) -> str:
    """The charts as inline images in Markdown, for the asset's page in the UI."""
    parts = (f"### {one.title}\n\n{one.text}\n\n![{one.title}]({one.desktop.data_uri})" for one in charts)
    return "\n\n".join(parts) or "There is no clean trip in this month."


def _tiles(report: MonthReport) -> list[Tile]:
    figures, rejected, source_rows = report.figures, sum(_rejected_by_rule(report).values()), _source_rows(report)
    tiles = [Tile("Trips", f"{figures.trips:,}", _change_from_year_before(report))]
    if figures.trips and figures.revenue is not None:
        average = amount_text(figures.revenue / figures.trips, "$", 2)
        note = f"{average} a trip on average, tips by card included"
        tiles.append(Tile("Charged to passengers", amount_text(figures.revenue, "$", 0), note))
    if figures.trips and figures.miles is not None:
        average = number_text(figures.miles / figures.trips, 1)
        tiles.append(Tile("Miles driven", number_text(figures.miles, 0), f"{average} a trip on average"))
    if figures.duration is not None:
        length = [] if figures.distance is None else [f"{number_text(figures.distance.median, 1)} miles"]
        amount = [] if figures.amount is None else [amount_text(figures.amount.median, "$", 2)]
        values = [*length, f"{number_text(figures.duration.median, 0)} minutes", *amount]
        note = "half of the trips are below each" if len(values) > 1 else "half of the trips are shorter"
        tiles.append(Tile("A typical trip", values[0], ", ".join([*values[1:], note])))
    if source_rows:
        note = f"{rejected:,} of {source_rows:,} records broke a rule"
        tiles.append(Tile("In quarantine", f"{rejected / source_rows:.1%}", note))
    return tiles


def _change_from_year_before(report: MonthReport) -> str:
    then = sum((report.year_before or {}).values())
    if not then:
        return ""
    change = sum(report.figures.days.values()) / then - 1
    return f"{change:+.1%} on {month_title(report.month.plus(-12))}".replace("-", "−")  # noqa: RUF001 - a minus sign


def _rejected_by_rule(report: MonthReport) -> dict[str, int]:
    return dict(json.loads(report.provenance.get(f"{PROVENANCE}rejected_by_rule", "{}")))


def _source_rows(report: MonthReport) -> int:
    return int(report.provenance.get(f"{PROVENANCE}source_rows", 0))


def _loaded_before(changes: Mapping[str, Any], provenance: Mapping[str, str]) -> str:
    """How the previous load differed (file, rules), as the end of a sentence; empty if in neither."""
    causes = {"sha256": "from another file", "rules": "by other rules"}
    now = {"sha256": provenance.get(f"{PROVENANCE}source_sha256"), "rules": provenance.get(f"{PROVENANCE}rules")}
    differs = [text for name, text in causes.items() if changes.get(f"since_{name}") not in (None, now[name])]
    return f", {' and '.join(differs)}" if differs else ""


def _rejected(report: MonthReport, rule: Rule, rows: int) -> RejectedRows:
    examples = report.examples.get(rule.name, ())
    columns = dict.fromkeys(column for example in examples for column in example.values)
    aliases: Mapping[str, Any] = report.dataset.aliases

    def place(column: str) -> int:
        name = aliases.get(column.lower())
        return _LEADING_COLUMNS.index(name) if name in _LEADING_COLUMNS else len(_LEADING_COLUMNS)

    return RejectedRows(rule, rows, sorted(columns, key=place), examples)


def _facts(report: MonthReport) -> MonthFacts:
    rejected = sum(_rejected_by_rule(report).values())
    return month_facts(report.dataset, report.figures.trips, report.figures.revenue, rejected, report.provenance)
