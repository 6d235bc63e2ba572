"""A lake with months in it, and the pages of those months."""

from collections.abc import Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

from taxi_assets.catalog import DEFAULT_RULES, Dataset, Layer
from taxi_assets.cleaning import cleaned_month, version_diff, with_changes
from taxi_assets.errors import SliceMissing
from taxi_assets.month import Month
from taxi_assets.raw_file import RawFile, sha256_of
from taxi_assets.report import MonthReport, find_zones, month_report, page
from taxi_assets.sample import write_month
from taxi_assets.source import open_source
from taxi_assets.stores.base import TableSlice
from taxi_assets.stores.lake.folder.store import LocalLake
from taxi_assets.stores.lake.gcs.store import GCSLake
from taxi_assets.stores.rows import Rows

_VOID = {"meta", "link", "br", "img", "hr", "input"}


@dataclass
class Months:
    """Cleaned months in a lake of their own.

    Attributes:
        folder: of the lake and of what does not fit into memory.
    """

    folder: Path

    @property
    def lake(self) -> LocalLake:
        return LocalLake(self.folder / "lake")

    def load_sample(self, dataset: Dataset, month: Month, rows: int = 2_000) -> None:
        path = self.folder / dataset.file_name(month)
        write_month(dataset, month, path, rows=rows)
        self.load(dataset, month, path)

    def load(
        self, dataset: Dataset, month: Month, path: Path, rules: Sequence[str] = DEFAULT_RULES, **provenance: str
    ) -> None:
        raw = RawFile(path, f"https://example.org/{path.name}", path.stat().st_size, sha256_of(path), None)
        with cleaned_month(raw, dataset, month, rules, self.folder) as cleaned:
            clean = cleaned.clean.with_provenance(provenance)
            store_diff(
                self.lake, dataset, month, version_diff(clean, self.lake, dataset, month, self.folder), self.folder
            )
            self.lake.replace(TableSlice(dataset.path(Layer.CLEAN), month), clean)
            self.lake.replace(TableSlice(dataset.path(Layer.QUARANTINE), month), cleaned.quarantine)

    def clean(self, dataset: Dataset, month: Month) -> Rows:
        return self.lake.read(dataset.path(Layer.CLEAN), [month])

    def diff(self, dataset: Dataset, month: Month) -> str:
        file = self.lake.get_file(dataset.path(Layer.DIFF), dataset.diff_file_template.format(month=month))
        return file.path.read_text()

    def report(self, dataset: Dataset, month: Month, source: str = "sample", **facts: str) -> MonthReport:
        """What the page of the month shows, with further provenance."""
        try:
            before = self.clean(dataset, month.plus(-12))
        except SliceMissing:
            before = None
        return month_report(
            dataset,
            month,
            with_changes(self.clean(dataset, month).with_provenance(facts), self.diff(dataset, month)),
            self.lake.read(dataset.path(Layer.QUARANTINE), [month]),
            self.folder,
            year_before=before,
            zones=find_zones(self.lake, open_source(source), self.folder),
            pages=self.lake.file_versions(dataset.path(Layer.REPORT)),
        )

    def store_page(self, dataset: Dataset, month: Month) -> None:
        """Put the page of the month into the lake, as the asset does."""
        report = self.report(dataset, month)
        store_text(self.lake, dataset, month, page(report, report.charts), self.folder)

    def page(self, dataset: Dataset, month: Month, source: str = "sample", **facts: str) -> "Page":
        report = self.report(dataset, month, source, **facts)
        return Page.of(page(report, report.charts))


@dataclass
class Page:
    """A page as a browser sees it.

    Attributes:
        html: as it is written.
        tags: every tag with its attributes, in order.
        texts: what stands between tags, in order, without the style.
        headings: of the sections.
        unbalanced: tags that do not end where they should.
    """

    html: str
    tags: list[tuple[str, dict[str, str | None]]]
    texts: list[str]
    headings: list[str]
    unbalanced: list[str]

    @classmethod
    def of(cls, html: str) -> "Page":
        page = cls(html, [], [], [], [])
        parser = _Parser(page)
        parser.feed(html)
        parser.close()
        page.unbalanced += parser.open
        return page

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


def store_text(lake: LocalLake | GCSLake, dataset: Dataset, month: Month, text: str, folder: Path) -> None:
    """Put a text into the lake as the page of the month."""
    path = folder / dataset.page_file_template.format(month=month)
    path.write_text(text, encoding="utf-8")
    raw = RawFile(path, path.as_uri(), path.stat().st_size, sha256_of(path), None)
    lake.put_file(dataset.path(Layer.REPORT), raw)


def store_diff(lake: LocalLake, dataset: Dataset, month: Month, diff: str, folder: Path) -> None:
    """Put what changed since the last version into the lake, as the asset does."""
    path = folder / dataset.diff_file_template.format(month=month)
    path.write_text(diff)
    lake.put_file(dataset.path(Layer.DIFF), RawFile(path, path.as_uri(), path.stat().st_size, sha256_of(path), None))


class _Parser(HTMLParser):
    def __init__(self, page: Page) -> None:
        super().__init__()
        self.page = page
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.page.tags.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.page.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.page.unbalanced.append(tag)

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.page.texts.append(data)
        if self.open and self.open[-1] == "h2":
            self.page.headings.append(data)
