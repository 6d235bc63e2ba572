"""The page as a reader gets it: whole, for every kind of month, and without anything from elsewhere."""

import base64
import json
import re
import shutil
import xml.etree.ElementTree as ET
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from taxi_assets.catalog import DATASETS, DEFAULT_RULES, RULES, Dataset, Era, dataset_named
from taxi_assets.month import Month
from taxi_assets.report import markdown
from taxi_assets.report import page as report_page
from taxi_assets.sample import write_month
from taxi_assets_tests.homes import REAL_FILES

from .conftest import JANUARY
from .lakes import Months, Page

GREEN = dataset_named("green")
ERAS = [(dataset, era) for dataset in DATASETS for era in dataset.eras]
NO_SHAPES = "A map needs TLC's shapes"


def assert_whole(page: Page) -> None:
    assert page.unbalanced == []
    assert [tag for tag, _ in page.tags].count("h1") == 1
    for tag, attributes in page.tags:
        assert tag not in {"script", "img", "link", "iframe", "image", "use"}
        assert not {"src", "srcset", "style", "xlink:href"} & attributes.keys()
        assert "href" not in attributes or (
            tag == "a" and re.match(r"[a-z]+_trips_|\.\./\.\./report/index", attributes["href"])
        )
        if tag == "svg":
            assert attributes["role"] == "img"
            assert attributes["aria-label"]
    style = re.search(r"<style>(.*?)</style>", page.html, re.DOTALL)
    assert style is not None
    assert "url(" not in style[1]
    assert "@import" not in style[1]
    assert "prefers-color-scheme:dark" in style[1]
    assert "nan" not in page.text.split()
    assert "None" not in page.text


@pytest.mark.slow
@pytest.mark.parametrize(("dataset", "era"), ERAS, ids=[f"{dataset.name} {era.since}" for dataset, era in ERAS])
def test_every_dataset_and_era_has_a_whole_page(empty: Months, dataset: Dataset, era: Era) -> None:
    empty.load_sample(dataset, era.since, rows=200)
    page = empty.page(dataset, era.since)
    assert_whole(page)
    assert page.text.count("Records in quarantine, by rule") == 1
    shown = set(page.headings)
    assert ("How far" in shown) == (dataset.distance is not None)
    assert ("How much" in shown) == bool(dataset.charge_columns)
    assert ("How people pay" in shown) == dataset.has("payment_type")


def test_the_figures_at_the_top_are_reported_in_words(months: Months) -> None:
    text = months.page(GREEN, JANUARY).text
    links = "← December 2023 All months February 2024 → "
    title = "Green taxi trips, January 2024 "
    assert re.match(rf"{title}{links}{title}Synthetic data\. [^.]+\. [^.]+\. Trips 1,9", text)
    assert re.search(r"Charged to passengers \$[\d,]+ \$\d+\.\d\d a trip on average, tips by card included", text)
    assert re.search(r"Miles driven [\d,]+ \d\.\d a trip on average", text)
    assert re.search(r"A typical trip \d\.\d miles \d+ minutes, \$\d+\.\d\d, half of the trips are below each", text)
    assert re.search(r"In quarantine \d\.\d% \d+ of 2,000 records broke a rule", text)


def test_the_year_before_is_reported_where_it_is_loaded_and_only_there(months: Months) -> None:
    assert "The dashed line is the same weekday of January 2023." in months.page(GREEN, JANUARY).text
    assert "on January 2023" in months.page(GREEN, JANUARY).text
    alone = months.page(dataset_named("yellow"), JANUARY)
    assert "January 2023 is not loaded, so there is nothing to compare with." in alone.text
    assert 'class="before"' not in alone.html


def test_without_shapes_the_zones_are_reported_without_a_map(months: Months, tmp_path: Path) -> None:
    (tmp_path / "misc").mkdir()
    with_map, without = months.page(GREEN, JANUARY), months.page(GREEN, JANUARY, source=str(tmp_path))
    assert "Where trips begin" in with_map.headings
    assert NO_SHAPES not in with_map.text
    assert "Where trips begin" not in without.headings
    assert "The busiest zones" in without.headings
    assert NO_SHAPES in without.text
    assert_whole(without)


def test_every_rule_that_was_broken_is_reported_with_its_rows_and_examples(months: Months) -> None:
    provenance = months.clean(GREEN, JANUARY).provenance
    rejected = json.loads(provenance["taxi/rejected_by_rule"])
    page = months.page(GREEN, JANUARY)
    for rule in RULES:
        if rejected.get(rule.name):
            description = rule.description[0].upper() + rule.description[1:]
            assert f"{description} {rule.name} {rejected[rule.name]:,} Show" in page.text
    assert page.html.count("<details>") == sum(1 for rows in rejected.values() if rows)


def test_a_month_in_which_nothing_was_rejected_says_so(empty: Months) -> None:
    write_month(GREEN, JANUARY, empty.folder / "all.parquet", rows=200)
    empty.load(GREEN, JANUARY, empty.folder / "all.parquet")
    kept = empty.clean(GREEN, JANUARY).to_table()["source_row"].to_pylist()
    rows = pq.read_table(empty.folder / "all.parquet").take(kept)
    pq.write_table(rows, empty.folder / "kept.parquet")
    empty.load(GREEN, JANUARY, empty.folder / "kept.parquet")
    page = empty.page(GREEN, JANUARY)
    assert_whole(page)
    assert "Every record that the sample source generated passed all rules." in page.text
    assert "In quarantine 0.0%" in page.text


@pytest.mark.parametrize("dataset", DATASETS, ids=lambda dataset: dataset.name)
def test_a_month_with_nothing_has_a_page_that_says_so(empty: Months, dataset: Dataset) -> None:
    path = empty.folder / "month.parquet"
    write_month(dataset, JANUARY, path, rows=200)
    pq.write_table(pq.read_table(path).slice(0, 0), path)
    empty.load(dataset, JANUARY, path)
    page = empty.page(dataset, JANUARY)
    assert_whole(page)
    assert "Trips 0" in page.text
    assert "there is nothing to draw" in page.text
    assert markdown(empty.report(dataset, JANUARY).charts) == "There is no clean trip in this month."


def test_what_comes_from_data_cannot_become_markup(empty: Months) -> None:
    nasty = "<script>alert(1)</script>&amp;\"'"
    write_month(GREEN, JANUARY, empty.folder / "month.parquet", rows=200)
    rows = pq.read_table(empty.folder / "month.parquet")
    column = rows.schema.get_field_index("store_and_fwd_flag")
    rows = rows.set_column(column, "store_and_fwd_flag", [[nasty] * rows.num_rows])
    pq.write_table(
        rows.rename_columns([f"<b>{name}" if name == "extra" else name for name in rows.column_names]),
        empty.folder / "month.parquet",
    )
    empty.load(GREEN, JANUARY, empty.folder / "month.parquet")
    page = empty.page(GREEN, JANUARY, **{"taxi/source_url": f"https://example.org/{nasty}"})
    assert_whole(page)
    assert nasty in page.text
    assert "<b>" in page.text
    assert "b" not in {tag for tag, _ in page.tags}


def test_the_same_rows_give_the_same_page(months: Months) -> None:
    assert months.page(GREEN, JANUARY).html == months.page(GREEN, JANUARY).html


@pytest.fixture
def kept(empty: Months) -> Path:
    """A file of green trips that keep every rule, and that is loaded."""
    path = empty.folder / "kept.parquet"
    write_month(GREEN, JANUARY, path, rows=200)
    empty.load(GREEN, JANUARY, path)
    rows = empty.clean(GREEN, JANUARY).to_table()["source_row"].to_pylist()
    pq.write_table(pq.read_table(path).take(rows), path)
    shutil.rmtree(empty.lake.root)
    empty.load(GREEN, JANUARY, path)
    return path


def test_what_changed_since_the_last_load_is_reported(empty: Months, kept: Path) -> None:
    assert "the first time that the month was loaded, or nothing has changed" in empty.page(GREEN, JANUARY).text
    before = pq.read_table(kept)
    dearer = [
        amount + 2.5 if row in (20, 21, 22) else amount for row, amount in enumerate(before["total_amount"].to_pylist())
    ]
    column = before.schema.get_field_index("total_amount")
    after = before.set_column(column, "total_amount", pa.array(dearer)).slice(10)
    pq.write_table(after, kept)
    empty.load(GREEN, JANUARY, kept, rules=["unreadable_value"])
    page = empty.page(GREEN, JANUARY)
    assert_whole(page)
    assert (
        f"0 trips were added, 10 removed and 3 changed: from {before.num_rows} trips to {after.num_rows}" in page.text
    )
    charged = [sum(table["total_amount"].to_pylist()) for table in (before, after)]
    assert f"from ${charged[0]:,.2f} to ${charged[1]:,.2f} charged" in page.text
    assert "loaded before, from another file and by other rules. Since" in page.text
    assert page.text.count('"kind": "changed"') == 3


def test_what_differed_in_the_load_before_is_reported_and_no_more(empty: Months, kept: Path) -> None:
    for number, (rules, reported) in enumerate(
        [(DEFAULT_RULES, "loaded before. Since"), (["unreadable_value"], "loaded before, by other rules. Since")]
    ):
        empty.load(GREEN, JANUARY, kept, rules, **{"taxi/code_version": f"next {number}"})
        assert reported in empty.page(GREEN, JANUARY).text
    pq.write_table(pq.read_table(kept).slice(1), kept)
    empty.load(GREEN, JANUARY, kept, rules)
    assert "loaded before, from another file. Since" in empty.page(GREEN, JANUARY).text


def test_the_same_pictures_are_markdown_with_their_own_light_and_dark(months: Months) -> None:
    report = months.report(GREEN, JANUARY)
    text = markdown(report.charts)
    assert len(text) < 200_000
    pictures = re.findall(r"!\[([^]]+)\]\(data:image/svg\+xml;base64,([^)]+)\)", text)
    assert [title for title, _ in pictures] == [picture.title for picture in report.charts]
    for _, encoded in pictures:
        drawn = ET.fromstring(base64.b64decode(encoded))  # noqa: S314 - our own picture
        assert drawn.tag == "{http://www.w3.org/2000/svg}svg"
        assert "prefers-color-scheme:dark" in (drawn[0].text or "")


def test_a_page_stays_small(months: Months) -> None:
    assert all(len(months.page(dataset, JANUARY).html) < 300_000 for dataset in DATASETS)


@pytest.mark.skipif(not REAL_FILES.exists(), reason="TLC's own files are not beside the project")
@pytest.mark.parametrize(("name", "month"), [("green", "2022-01"), ("yellow", "2009-01"), ("fhv", "2020-04")])
def test_real_months_have_whole_pages(empty: Months, name: str, month: str) -> None:
    dataset, when = dataset_named(name), Month.parse(month)
    empty.load(dataset, when, REAL_FILES / "trip-data" / dataset.file_name(when))
    page = empty.page(dataset, when, source=str(REAL_FILES))
    assert_whole(page)
    assert ("Where trips begin" in page.headings) == (name != "yellow")  # 2009 has coordinates in place of zones
    assert len(page.html) < 400_000


def test_every_chart_shows_its_values_at_once_under_a_pointer_and_as_a_table(months: Months) -> None:
    report = months.report(GREEN, JANUARY)
    page = Page.of(report_page(report, report.charts))
    days = report.figures.days
    for day, trips in days.items():
        assert f" {day.day}: {trips:,} trips" in page.text  # what shows under the pointer
        assert f" {day} {trips:,}" in page.text  # the table
    assert page.html.count('<details class="numbers">') == len(report.charts) - 2  # which say their values anyway
    zones = sum(report.figures.zones.values())
    [table] = [chart.numbers for chart in report.charts if chart.title == "Where trips begin"]
    assert table is not None
    assert sum(int(trips.replace(",", "")) for _, trips in table.rows) == zones


def test_the_numbers_of_a_distribution_are_all_its_trips(months: Months) -> None:
    report = months.report(GREEN, JANUARY)
    for chart in report.charts:
        if chart.title in ("How far", "How long", "How much"):
            assert chart.numbers is not None
            counted = sum(int(trips.replace(",", "")) for _, trips, _ in chart.numbers.rows)
            assert counted == sum(report.figures.duration.counts.values()) or chart.title != "How long"
            assert counted <= report.figures.trips


def test_pictures_in_the_ui_have_no_texts_for_a_pointer(months: Months) -> None:
    for chart in months.report(GREEN, JANUARY).charts:
        encoded = chart.desktop.data_uri.partition("base64,")[2]
        assert b'class="hit"' not in base64.b64decode(encoded)
