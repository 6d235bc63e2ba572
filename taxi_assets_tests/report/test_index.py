"""The index of all months: whole after any update, with the lake on a disk and in a bucket."""

import json
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest

from taxi_assets.catalog import DATASETS, Layer, dataset_named
from taxi_assets.errors import StoreError
from taxi_assets.month import Month
from taxi_assets.raw_file import RawFile
from taxi_assets.report import update_index
from taxi_assets.report.links import INDEX_FILE, INDEX_FOLDER
from taxi_assets.report.month_facts import MonthFacts
from taxi_assets.report.number_format import large_text
from taxi_assets.stores.lake.folder.store import LocalLake
from taxi_assets.stores.lake.gcs.client import open_client
from taxi_assets.stores.lake.gcs.store import GCSLake
from taxi_assets_tests.servers.gcs import new_bucket

from .conftest import JANUARY
from .lakes import Months, Page, store_text

GREEN = dataset_named("green")
FACTS = MonthFacts(trips=950, source_rows=1_000, rejected=50, revenue=12_345.5, synthetic=False, default_rules=True)
MONTHS_EACH = 12

# A process that stores the pages of a year, each with its own number of trips, and updates the index after each.
WRITER = """
import sys
from pathlib import Path
from taxi_assets.catalog import dataset_named
from taxi_assets.month import Month
from taxi_assets.report import update_index
from taxi_assets_tests.report.test_index import page_with, FACTS, lake_of
from taxi_assets_tests.report.lakes import store_text
name, place, folder = sys.argv[1:]
dataset, folder = dataset_named(name), Path(folder)
folder.mkdir()
print("ready", flush=True)
sys.stdin.readline()
for number in range(1, 13):
    lake = lake_of(place, folder)
    store_text(lake, dataset, Month(2024, number), page_with(FACTS), folder)
    update_index(lake)
"""


def page_with(facts: MonthFacts | None) -> str:
    """A page as short as it can be for the index to read it."""
    said = "" if facts is None else facts.to_json().replace('"', "&#34;")
    return f'<meta name="taxi-facts" content="{said}">' if facts else "<h1>A page of an older release</h1>"


def lake_of(place: str, scratch: Path) -> LocalLake | GCSLake:
    """The lake in a folder, or in the bucket of that name."""
    if place.startswith("gs://"):
        return GCSLake(open_client, place.removeprefix("gs://"), "lake", scratch / "downloads")
    return LocalLake(Path(place))


@pytest.fixture(params=["a folder", "a bucket"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "a folder":
        return str(tmp_path / "lake")
    request.getfixturevalue("gcs")
    return f"gs://{new_bucket().name}"


@pytest.fixture
def lake(place: str, tmp_path: Path) -> LocalLake | GCSLake:
    return lake_of(place, tmp_path)


def index_of(lake: LocalLake | GCSLake) -> str:
    return lake.get_file(INDEX_FOLDER, INDEX_FILE).path.read_text(encoding="utf-8")


def links_of(html: str) -> list[str]:
    return [str(attributes["href"]) for tag, attributes in Page.of(html).tags if tag == "a"]


def linked_pages(html: str) -> set[str]:
    return {link for link in links_of(html) if not link.startswith("#")}


def text_of_month(html: str, month: Month) -> str:
    """What the calendar of green says of the month."""
    tags = Page.of(html).tags
    [place] = [place for place, (_, attributes) in enumerate(tags) if attributes.get("id") == f"green-{month}"]
    return str(tags[place + 1][1]["title"])


def test_a_lake_without_pages_has_an_index_that_says_so(lake: LocalLake | GCSLake) -> None:
    assert update_index(lake).months == 0
    assert "The lake has no page of a month yet." in Page.of(index_of(lake)).text


def test_every_month_is_there_with_what_its_page_says(lake: LocalLake | GCSLake, tmp_path: Path) -> None:
    store_text(lake, GREEN, JANUARY, page_with(FACTS), tmp_path)
    store_text(lake, GREEN, JANUARY.plus(2), page_with(FACTS), tmp_path)
    store_text(lake, dataset_named("fhv"), JANUARY, page_with(MonthFacts(7, 7, 0, None, False, False)), tmp_path)
    update = update_index(lake)
    assert (update.months, update.trips) == (3, 1_907)
    html = index_of(lake)
    assert linked_pages(html) == {
        "../green/report/green_trips_2024-01.html",
        "../green/report/green_trips_2024-03.html",
        "../fhv/report/fhv_trips_2024-01.html",
    }
    text = Page.of(html).text
    assert "Green taxi" in text
    assert "2 months, January 2024 to March 2024; 1 in between is not in the lake." in text
    assert "January 2024 950 $12,346 5.0% loaded" in text
    assert "January 2024 7 0.0% other rules" in text
    assert "Months 3 with a page Trips 1,907" in text
    assert text_of_month(html, Month(2024, 2)) == "February 2024: not in the lake"
    assert text_of_month(html, Month(2024, 3)) == "March 2024: 950 trips, $12,346 charged, 5.0% in quarantine"


@pytest.mark.parametrize(
    ("value", "text"),
    [(3_714_000_000, "$3.7B"), (67_536_701, "$67.5M"), (999_999, "$999,999"), (0, "$0"), (-2_000_000, "-$2.0M")],
)
def test_large_numbers_fit_a_phone(value: int, text: str) -> None:
    assert large_text(value, "$") == text


def test_a_month_that_is_made_again_is_there_as_it_is_now(lake: LocalLake | GCSLake, tmp_path: Path) -> None:
    for trips in (950, 3):
        store_text(lake, GREEN, JANUARY, page_with(MonthFacts(trips, 1_000, 50, 1.0, False, True)), tmp_path)
        update_index(lake)
    assert text_of_month(index_of(lake), JANUARY).startswith("January 2024: 3 trips")


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        (MonthFacts(1, 1, 0, None, True, True), "synthetic"),
        (MonthFacts(0, 0, 0, None, False, True), "no trips"),
        (MonthFacts(94, 100, 6, None, False, True), "many in quarantine"),
        (MonthFacts(1, 1, 0, None, False, False), "other rules"),
        (None, "unknown"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_unusual_about_a_month_is_its_state(tmp_path: Path, facts: MonthFacts | None, state: str) -> None:
    lake = LocalLake(tmp_path / "lake")
    store_text(lake, GREEN, JANUARY, page_with(facts), tmp_path)
    update_index(lake)
    html = index_of(lake)
    assert f"% {state}" in Page.of(html).text or f"January 2024 {state}" in Page.of(html).text
    assert ('class="q0 odd"' in html or 'class="q6 odd"' in html) == (state != "synthetic")


def test_an_index_that_is_lost_or_damaged_is_the_same_after_the_next_update(
    lake: LocalLake | GCSLake, tmp_path: Path
) -> None:
    for month in (JANUARY, JANUARY.plus(1)):
        store_text(lake, GREEN, month, page_with(FACTS), tmp_path)
    update_index(lake)
    whole = index_of(lake)
    for damage in (b"", whole.encode()[:-300], b"\xff\xfe", whole.replace('"format":1', '"format":0').encode()):
        lake.update_file(INDEX_FOLDER, INDEX_FILE, lambda _, damage=damage: damage)
        update_index(lake)
        assert index_of(lake) == whole


class Counted(LocalLake):
    """A lake that notes which files are read."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.read_files: list[str] = []

    def get_file(self, folder: str, name: str) -> RawFile:
        self.read_files.append(name)
        return super().get_file(folder, name)


def test_an_update_reads_the_pages_that_are_new_to_the_index_and_no_others(tmp_path: Path) -> None:
    lake = Counted(tmp_path / "lake")
    for month in (JANUARY, JANUARY.plus(1)):
        store_text(lake, GREEN, month, page_with(FACTS), tmp_path)
    update_index(lake)
    lake.read_files.clear()
    update_index(lake)
    assert lake.read_files == []
    store_text(lake, GREEN, JANUARY.plus(2), page_with(FACTS), tmp_path)
    update_index(lake)
    assert lake.read_files == ["green_trips_2024-03.html"]


def test_a_page_that_is_removed_leaves_the_index_with_the_next_update(tmp_path: Path) -> None:
    lake = LocalLake(tmp_path / "lake")
    for month in (JANUARY, JANUARY.plus(1)):
        store_text(lake, GREEN, month, page_with(FACTS), tmp_path)
    update_index(lake)
    (tmp_path / "lake" / "green" / "report" / "green_trips_2024-01.html").unlink()
    assert update_index(lake).months == 1
    assert linked_pages(index_of(lake)) == {"../green/report/green_trips_2024-02.html"}


def test_other_files_beside_the_pages_are_no_months(tmp_path: Path) -> None:
    lake = LocalLake(tmp_path / "lake")
    store_text(lake, GREEN, JANUARY, page_with(FACTS), tmp_path)
    for name in ("notes.txt", "green_trips_2024-13.html", "green_trips_.html", "2024-02"):
        (tmp_path / "lake" / "green" / "report" / name).write_text("")
    assert update_index(lake).months == 1


@pytest.mark.slow
def test_two_processes_that_store_pages_at_once_lose_no_month(
    place: str, lake: LocalLake | GCSLake, tmp_path: Path
) -> None:
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, name, place, tmp_path / name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in ("green", "yellow")
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        writer.communicate("go\n", timeout=200)
    assert [writer.returncode for writer in writers] == [0, 0]
    assert len(linked_pages(index_of(lake))) == 2 * MONTHS_EACH


def test_an_index_that_cannot_be_written_is_an_error_of_the_store(tmp_path: Path) -> None:
    lake = LocalLake(tmp_path / "lake")
    store_text(lake, GREEN, JANUARY, page_with(FACTS), tmp_path)
    (tmp_path / "lake" / INDEX_FOLDER).write_text("a file is in the way")
    with pytest.raises(StoreError, match="cannot be written"):
        update_index(lake)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Months:
    """Three months of green with a gap, and one of every other dataset, with their pages and an index."""
    months = Months(tmp_path_factory.mktemp("index"))
    for dataset in DATASETS:
        months.load_sample(dataset, JANUARY, rows=200)
        months.store_page(dataset, JANUARY)
    for later in (1, 3):
        months.load_sample(GREEN, JANUARY.plus(later), rows=200)
        months.store_page(GREEN, JANUARY.plus(later))
    update_index(months.lake)
    return months


@pytest.mark.slow
def test_the_index_shows_the_rows_revenue_and_quarantine_of_the_lake(loaded: Months) -> None:
    rows = loaded.clean(GREEN, JANUARY)
    revenue = sum(rows.to_table()["total_amount"].to_pylist())
    rejected = json.loads(rows.provenance["taxi/rejected_by_rule"])
    share = sum(rejected.values()) / 200
    expected = f"January 2024: {200 - sum(rejected.values())} trips, ${revenue:,.0f} charged, {share:.1%} in quarantine"
    assert text_of_month(index_of(loaded.lake), JANUARY).startswith(expected)


def test_every_link_between_the_index_and_the_pages_leads_to_a_file_and_a_place_in_it(loaded: Months) -> None:
    root = loaded.lake.root
    pages = [INDEX_FOLDER + "/" + INDEX_FILE]
    pages += [str(path.relative_to(root)) for path in root.glob("*/report/*.html")]
    assert len(pages) == 1 + len(DATASETS) + 2
    ids = {str(attributes["id"]) for _, attributes in Page.of(index_of(loaded.lake)).tags if "id" in attributes}
    for page in pages:
        links = links_of((root / page).read_text(encoding="utf-8"))
        assert links
        for link in links:
            target = urlsplit(urljoin(page, link))
            assert (root / target.path).is_file(), f"{page}: {link}"
            if target.path.endswith(INDEX_FILE) and "-2024-" in target.fragment:  # the years of the calendars
                assert target.fragment in ids, f"{page}: {link}"


def test_a_page_links_to_its_neighbours_directly_where_they_have_a_page_and_else_by_the_index(loaded: Months) -> None:
    loaded.store_page(GREEN, JANUARY.plus(1))
    html = loaded.lake.get_file(GREEN.path(Layer.REPORT), "green_trips_2024-02.html").path.read_text(encoding="utf-8")
    assert links_of(html) == [
        "green_trips_2024-01.html",
        "../../report/index.html#green-2024-02",
        "../../report/index.html#green-2024-03",
    ]


def test_the_first_month_of_a_dataset_has_none_before_it(empty: Months) -> None:
    empty.load_sample(GREEN, GREEN.first_month, rows=200)
    tags = empty.page(GREEN, GREEN.first_month).tags
    assert [attributes.get("rel") for tag, attributes in tags if tag == "a"] == [None, "next"]


def test_the_index_is_one_whole_file_that_loads_nothing_and_runs_nothing(loaded: Months) -> None:
    page = Page.of(index_of(loaded.lake))
    assert page.unbalanced == []
    for tag, attributes in page.tags:
        assert tag not in {"img", "link", "iframe", "image", "use"}
        assert not {"src", "srcset", "style", "onclick"} & attributes.keys()
        assert tag != "script" or attributes["type"] == "application/json"
        if tag == "svg":
            assert attributes["aria-label"]
    assert "default-src 'none'" in page.html
    style = re.search(r"<style>(.*?)</style>", page.html, re.DOTALL)
    assert style is not None
    assert "url(" not in style[1]
    assert "prefers-color-scheme:dark" in style[1]
    assert "Synthetic data." in page.text
    assert "None" not in page.text


def test_a_page_cannot_end_the_facts_that_the_index_carries(tmp_path: Path) -> None:
    lake = LocalLake(tmp_path / "lake")
    said = json.dumps({**json.loads(FACTS.to_json()), "trips": "</script><b>1"}).replace('"', "&#34;")
    store_text(lake, GREEN, JANUARY, f'<meta name="taxi-facts" content="{said}">', tmp_path)
    assert update_index(lake).months == 1
    assert "<b>" not in index_of(lake)
