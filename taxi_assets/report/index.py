"""The index of all months: which pages the lake has, and what they say, in one page that is updated with each of them.

The index carries the facts of every month with the version of the page they came from, so that an update lists the
pages and reads only those that are new to it. It is a function of the pages alone: one that is lost, damaged or behind
is whole again after the next update, and concurrent updates lose nothing.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from taxi_assets.catalog import DATASETS, Dataset, Layer
from taxi_assets.errors import InvalidRequest, SliceDamaged, SliceMissing
from taxi_assets.month import Month
from taxi_assets.report.index_page import index_page
from taxi_assets.report.links import INDEX_FILE, INDEX_FOLDER
from taxi_assets.report.month_facts import MonthFacts, facts_in

if TYPE_CHECKING:
    from taxi_assets.stores.lake import Lake

_FACTS = re.compile(r'<script type="application/json" id="facts">(.*?)</script>', re.DOTALL)
_FORMAT = 1


@dataclass(frozen=True)
class IndexedPage:
    """A month's page as the index knows it.

    Attributes:
        version: the page's version in the lake.
        facts: what the page says; None where it cannot be read, or was made before pages carried facts.
    """

    version: str
    facts: MonthFacts | None


@dataclass(frozen=True)
class IndexUpdate:
    """The result of an update: the index's URI, and the number of months and trips in it."""

    uri: str
    months: int
    trips: int


def update_index(lake: "Lake") -> IndexUpdate:
    """Bring the index up to date with the pages in the lake; an index that is up to date is not written again.

    Raises:
        StoreUnavailable: the lake does not answer or is full, or other runs update the index again and again.
        StoreError: the lake cannot be written.
    """
    pages: dict[str, dict[Month, IndexedPage]] = {}  # by the dataset's name

    def change(before: bytes | None) -> bytes:
        known = _known_pages(before)
        for dataset in DATASETS:
            read = {**known.get(dataset.name, {}), **pages.get(dataset.name, {})}
            pages[dataset.name] = _pages_of(lake, dataset, read)
        facts = {name: {month: page.facts for month, page in found.items()} for name, found in pages.items()}
        return index_page(facts, _as_json(pages)).encode()

    lake.update_file(INDEX_FOLDER, INDEX_FILE, change)
    found = [page.facts for each in pages.values() for page in each.values()]
    trips = sum(facts.trips for facts in found if facts is not None)
    return IndexUpdate(lake.file_uri(INDEX_FOLDER, INDEX_FILE), len(found), trips)


def _pages_of(lake: "Lake", dataset: Dataset, known: Mapping[Month, IndexedPage]) -> dict[Month, IndexedPage]:
    """The dataset's pages in the lake, oldest month first; those of a known version are not read."""
    found = {}
    for name, version in lake.file_versions(dataset.path(Layer.REPORT)).items():
        month = _month_of(dataset, name)
        if month is not None:
            page = known.get(month)
            found[month] = page if page and page.version == version else _read(lake, dataset, name, version)
    return {month: found[month] for month in sorted(found)}


def _read(lake: "Lake", dataset: Dataset, name: str, version: str) -> IndexedPage:
    try:
        page = lake.get_file(dataset.path(Layer.REPORT), name).path.read_text(encoding="utf-8")
    except (SliceMissing, SliceDamaged, UnicodeDecodeError):
        return IndexedPage(version, None)
    return IndexedPage(version, facts_in(page))


def _month_of(dataset: Dataset, name: str) -> Month | None:
    """The month of a page's file name; None for other files."""
    before, after = dataset.page_file_template.split("{month}")
    try:
        month = Month.parse(name.removeprefix(before).removesuffix(after))
    except InvalidRequest:
        return None
    return month if name == f"{before}{month}{after}" else None


def _as_json(pages: Mapping[str, Mapping[Month, IndexedPage]]) -> str:
    """The facts as the index carries them, with nothing that ends the element they are in."""
    datasets = {
        name: {
            str(month): {"version": page.version, "facts": page.facts and vars(page.facts)}
            for month, page in found.items()
        }
        for name, found in pages.items()
    }
    return json.dumps({"format": _FORMAT, "datasets": datasets}, separators=(",", ":")).replace("<", "\\u003c")


def _known_pages(index: bytes | None) -> Mapping[str, Mapping[Month, IndexedPage]]:
    """Dataset -> month -> page, as the index has them; empty where it is missing, damaged or of another format."""
    found = _FACTS.search((index or b"").decode(errors="replace"))
    try:
        document = json.loads(found[1]) if found else {}
        if document.get("format") != _FORMAT:
            return {}
        return {
            name: {
                Month.parse(month): IndexedPage(page["version"], page["facts"] and MonthFacts.parse(page["facts"]))
                for month, page in months.items()
            }
            for name, months in document["datasets"].items()
        }
    except (ValueError, TypeError, KeyError, AttributeError, InvalidRequest):
        return {}
