"""A month's story: what the audit logs' lines amount to, and `taxi audit` as a person uses it."""

import io
import json
import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import psycopg
import pytest
from rich.console import Console

from taxi_assets.catalog import Layer
from taxi_assets.cli.audit.load_versions import versions_of
from taxi_assets.cli.audit.render import print_load_history
from taxi_assets.errors import StoreError
from taxi_assets.month import Month
from taxi_assets.stores.base import TableSlice
from taxi_assets.stores.duckdb.store import DuckDBStore
from taxi_assets.stores.load_log import Entry, Line, lines_of
from taxi_assets.stores.postgres.store import PostgresStore
from taxi_assets.stores.rows import Rows
from taxi_assets_tests.cleaning.months import GREEN_TRIP, PICKUP, Trip, month_of, written
from taxi_assets_tests.homes import Home
from taxi_assets_tests.stores.servers import new_database

DOCUMENT = (Path(__file__).parents[1] / "docs" / "audit.md").read_text()
JANUARY = Month(2022, 1)
HOUR_LATER = PICKUP + timedelta(hours=1)
TRIPS = [
    trip.but(dropoff_datetime=HOUR_LATER)
    for trip in GREEN_TRIP.each(pickup_datetime=[PICKUP + timedelta(minutes=minute) for minute in range(40)])
]
VOID = TRIPS[39].but(total_amount=-12.3)


def line(second: int, store: str = "postgres", file: str = "a", code: str = "1", rules: str = "x") -> Line:
    """A load at that second."""
    at = datetime(2024, 1, 1, 0, 0, second, tzinfo=UTC)
    return {
        "store": store,
        "finished_at": at,
        "source_sha256": file,
        "rules": rules,
        "code_version": code,
        "changes": None,
        "run_id": f"run {second}",
    }


def seconds(*lines: Line) -> list[list[int]]:
    return [[one["finished_at"].second for one in version.lines] for version in versions_of(lines)]


def test_the_same_version_loaded_again_is_one_version() -> None:
    assert seconds(line(3), line(1), line(2, "warehouse"), line(4, "warehouse")) == [[1, 2, 3, 4]]


def test_another_file_other_rules_and_other_code_make_a_version_each() -> None:
    assert seconds(
        line(1), line(2, file="b"), line(3, file="b", rules="y"), line(4, file="b", rules="y", code="2")
    ) == [
        [1],
        [2],
        [3],
        [4],
    ]


def test_a_version_that_comes_back_is_told_twice() -> None:
    assert seconds(line(1), line(2, file="b"), line(3)) == [[1], [2], [3]]


def test_a_store_that_missed_a_version_is_known_to_hold_the_one_before() -> None:
    versions = versions_of([line(1), line(2, "warehouse"), line(3, file="b")])
    assert [version.now_in for version in versions] == [("warehouse",), ("postgres",)]


def test_a_run_that_came_later_is_the_newer_version_whatever_the_clocks_of_two_stores_say() -> None:
    first = [line(5), {**line(7, "warehouse"), "run_id": "run 5"}]
    second = [{**line(6, file="b"), "run_id": "run 6"}, {**line(8, "warehouse", file="b"), "run_id": "run 6"}]
    versions = versions_of([*second, *first])
    assert [version.origin["source_sha256"] for version in versions] == ["a", "b"]
    assert [version.now_in for version in versions] == [(), ("postgres", "warehouse")]


def load(store: DuckDBStore | PostgresStore, piece: TableSlice, **facts: str) -> None:
    import pyarrow as pa

    known = {"taxi/source_sha256": "a", "taxi/rules": "x", "taxi/code_version": "1", **facts}
    entry = Entry("load_audit", "somewhere", facts.get("run", "r"), "alice", datetime.now(tz=UTC), known)
    rows = pa.table({"amount": [1.0], **({"source_month": [piece.partition.key]} if piece.partition else {})})
    store.replace(piece, Rows.from_table(rows), entry)


def test_only_the_lines_of_the_slice_are_read(tmp_path: Path) -> None:
    store = DuckDBStore(tmp_path / "warehouse.duckdb", "taxi", "source_month")
    january, zones = TableSlice("green_trips", JANUARY), TableSlice("taxi_zones")
    assert lines_of(store, "load_audit", january) == []
    for piece in (january, TableSlice("green_trips", JANUARY.plus(1)), TableSlice("yellow_trips", JANUARY), zones):
        load(store, piece, **{"taxi/rejected_by_rule": '{"x": 1}'})
    [found] = lines_of(store, "load_audit", january)
    assert (found["source_month"], found["rejected_by_rule"]) == (date(2022, 1, 1), {"x": 1})
    assert [one["table_name"] for one in lines_of(store, "load_audit", zones)] == ["taxi_zones"]


@pytest.mark.parametrize("text", ["{", "7", '{"x": "many"}'])
def test_json_that_something_else_wrote_counts_as_not_known(tmp_path: Path, text: str) -> None:
    store = DuckDBStore(tmp_path / "warehouse.duckdb", "taxi", "source_month")
    piece = TableSlice("green_trips", JANUARY)
    load(store, piece, **{"taxi/rejected_by_rule": text, "taxi/changes": text, "taxi/rejected_rows": "1"})
    lines = lines_of(store, "load_audit", piece)
    assert [(one["rejected_by_rule"], one["changes"]) for one in lines] == [(None, None)]
    screen = Console(file=io.StringIO(), width=120)
    print_load_history(screen, "green 2022-01", versions_of(lines), {})
    assert "1 version" in screen.file.getvalue()


def test_a_table_that_is_no_audit_table_is_named(tmp_path: Path) -> None:
    import pyarrow as pa

    store = DuckDBStore(tmp_path / "warehouse.duckdb", "taxi", "source_month")
    store.replace(TableSlice("load_audit"), Rows.from_table(pa.table({"table_name": ["green_trips"]})))
    with pytest.raises(StoreError, match="load_audit is no audit table of taxi_assets: it lacks store"):
        lines_of(store, "load_audit", TableSlice("green_trips", JANUARY))


@pytest.mark.parametrize("kind", ["duckdb", "postgres"])
@pytest.mark.parametrize("piece", [TableSlice("green_trips", JANUARY), TableSlice("taxi_zones")], ids=str)
def test_the_last_load_is_the_current_one_though_the_clock_was_set_back(
    tmp_path: Path, postgres_url: str, kind: str, piece: TableSlice
) -> None:
    schema = f"clock_{piece.table}"
    on_disk = DuckDBStore(tmp_path / "warehouse.duckdb", schema, "source_month")
    store = on_disk if kind == "duckdb" else PostgresStore(postgres_url, schema, "source_month")
    load(store, piece)
    # A line of tomorrow, as a clock that was set back since then would have written it.
    columns = "store, run_id, started_by, started_at, loaded_rows, source_sha256, rules, code_version"
    tomorrow = (
        f"INSERT INTO {schema}.load_audit (table_name, source_month, finished_at, {columns}) "
        f"SELECT table_name, source_month, finished_at + INTERVAL '1 day', {columns} FROM {schema}.load_audit"
    )
    with duckdb.connect(tmp_path / "warehouse.duckdb") if kind == "duckdb" else psycopg.connect(postgres_url) as there:
        there.execute(tomorrow)
        there.commit()
    load(store, piece, **{"taxi/source_sha256": "b", "run": "later"})
    versions = versions_of(lines_of(store, "load_audit", piece))
    assert [(one.origin["source_sha256"], one.now_in) for one in versions] == [("a", ()), ("b", ("somewhere",))]


def test_a_change_of_what_no_audit_log_knows_is_told_as_one() -> None:
    changes = {"since_sha256": "c" * 64, "rows_before": 5, "rows_after": 4, "added": 0, "removed": 1, "changed": 0}
    amounts = {"amount_before": None, "amount_after": None, "examples": []}
    nothing = dict.fromkeys(("rejected_rows", "source_bytes", "source_etag"))
    first = {
        **line(1),
        **nothing,
        "changes": {**changes, **amounts},
        "loaded_rows": 4,
        "started_by": "alice",
        "source_url": "a",
    }
    screen = Console(file=io.StringIO(), width=120)
    print_load_history(screen, "green 2022-01", versions_of([first]), {})
    told = screen.file.getvalue()
    assert "since the file with sha256 cccccccccccc, whose load is in no audit log" in told
    assert "5 -> 4 rows: 1 removed, 0 added, 0 changed" in told


# As a person uses it


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, postgres_url: str) -> Home:
    return Home(tmp_path_factory.mktemp("home"), TAXI_POSTGRES=new_database(postgres_url))


def publish(folder: Path, trips: Sequence[Trip]) -> None:
    (folder / "trip-data").mkdir(parents=True, exist_ok=True)
    written(month_of(*trips), folder / "trip-data", GREEN_TRIP.dataset)


@pytest.fixture(scope="module")
def republished(home: Home, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A month that was loaded, published again with 10 rows fewer and 3 amounts changed, and loaded twice again."""
    source = tmp_path_factory.mktemp("source")
    publish(source, [*TRIPS, VOID])
    assert home.taxi("run", "green", "2022-01", "--source", source).returncode == 0
    dearer = [trip.but(total_amount=20.0) for trip in TRIPS[10:13]]
    publish(source, [*dearer, *TRIPS[13:], VOID])
    for _ in range(2):
        assert home.taxi("run", "green", "2022-01", "--source", source).returncode == 0
    return home


@pytest.mark.slow
def test_the_story_of_a_month_that_was_published_again_is_told(republished: Home) -> None:
    told = republished.taxi("audit", "green", "2022-01")
    assert told.returncode == 0, told.stderr
    assert "green 2022-01: 2 versions" in told.stdout
    first, between, second = told.stdout.partition("39 -> 29 rows: 10 removed, 0 added, 3 changed")
    assert "41 in the file = 39 clean + 2 rejected" in first
    assert "negative_amount 1, voided_trip 1" in first
    assert "replaced since" in first
    assert between
    assert "total $479.70 -> $379.80 (-99.90)" in second
    assert second.count("- row ") == 5
    assert "~ row 0, 2022-01-15 12:10:00: total_amount 12.3 -> 20.0" in second
    assert "now in postgres and warehouse" in second
    assert second.count("into postgres and warehouse: taxi run by") == 2


def test_a_program_is_told_the_same(republished: Home) -> None:
    told = json.loads(republished.taxi("audit", "green", "2022-01", "--json").stdout)
    first, second = told["versions"]
    assert (told["dataset"], told["month"], told["silent"]) == ("green", "2022-01", {})
    assert (first["changes"], first["rejected_by_rule"]["voided_trip"], first["now_in"]) == (None, 1, [])
    assert {name: second["changes"][name] for name in ("added", "removed", "changed")} == {
        "added": 0,
        "removed": 10,
        "changed": 3,
    }
    assert second["changes"]["since_sha256"] == first["source_sha256"]
    assert [load["store"] for load in second["loads"]] == ["postgres", "warehouse"] * 2
    assert len({load["run_id"] for load in second["loads"]}) == 2


def test_both_audit_logs_and_the_ui_say_the_same(republished: Home) -> None:
    import dagster as dg

    query = "SELECT changes FROM taxi.load_audit WHERE table_name = 'green_trips' AND changes IS NOT NULL"
    asked = [text for (text,) in republished.postgres(query)]
    store = DuckDBStore(republished.settings.warehouse.path, "taxi", "source_month")
    held = [text for text in store.read("load_audit").to_table()["changes"].to_pylist() if text is not None]
    assert asked == held
    assert len(set(held)) == 1
    with dg.DagsterInstance.from_config(str(republished.settings.dagster_home)) as instance:
        diff, clean = (
            instance.get_latest_materialization_event(dg.AssetKey(["green", layer.value])).asset_materialization
            for layer in (Layer.DIFF, Layer.CLEAN)
        )
    assert diff.metadata["taxi/changes"].value == json.loads(held[0])
    metadata = clean.metadata
    assert "taxi/changes" not in metadata
    assert metadata["taxi/source_bytes"].value > 0
    assert metadata["taxi/source_url"].value.startswith("file://")


def queries_of_the_document() -> list[str]:
    return re.findall(r"```sql\n(.*?)```", DOCUMENT, re.DOTALL)


def test_the_query_of_the_document_for_what_changed_finds_it(republished: Home) -> None:
    changed = republished.postgres(queries_of_the_document()[0].strip().removesuffix(";"))
    assert {row[1] for row in changed} == {"green_trips"}
    assert [row[3:] for row in changed] == [("10", "0", "3")] * 2


def test_the_query_of_the_document_for_the_file_at_a_moment_finds_the_one_that_was_loaded(republished: Home) -> None:
    of_a_moment = queries_of_the_document()[2]
    [at_last] = republished.postgres(of_a_moment.replace("2026-11-23", "2999-01-01"))
    first, *_, last = republished.postgres(
        "SELECT source_url, source_sha256, started_by, run_id::text FROM load_audit "
        "WHERE table_name = 'green_trips' ORDER BY finished_at"
    )
    assert at_last == last
    assert at_last[1] != first[1]
    assert at_last[2].startswith("taxi run by")
    assert republished.postgres(of_a_moment.replace("2026-11-23", "1999-01-01")) == []


def test_an_audit_log_that_does_not_answer_is_told_beside_what_the_other_says(republished: Home) -> None:
    url = "postgresql://taxi:hush-hush@127.0.0.1:1/taxi"
    told = republished.taxi("audit", "green", "2022-01", TAXI_POSTGRES=url)
    assert told.returncode == 0, told.stderr
    assert "now in warehouse" in told.stdout
    assert "the audit log of postgres does not answer" in told.stdout
    assert "hush-hush" not in told.stdout + told.stderr


def test_a_month_that_was_never_loaded_is_told_with_the_command_that_loads_it(home: Home) -> None:
    told = home.taxi("audit", "green", "2019-01")
    assert told.returncode == 1
    assert "no load of green 2019-01 is in the audit logs; to load it: taxi run green 2019-01" in told.stderr


def test_the_zones_have_a_story_too(tmp_path: Path, postgres_url: str) -> None:
    home = Home(tmp_path, TAXI_POSTGRES=new_database(postgres_url))
    home.taxi("run", "zones", "--source", "sample")
    told = home.taxi("audit", "zones").stdout
    assert "synthetic data, made by the sample source" in told
    assert "zones: 1 version" in told
    assert "taxi_zone_lookup.csv" in told


@pytest.mark.parametrize(
    ("arguments", "message"), [(("green",), "say which month"), (("purple", "2024-01"), "TLC publishes")]
)
def test_a_question_that_cannot_be_answered_says_what_can(home: Home, arguments: tuple[str, ...], message: str) -> None:
    refused = home.taxi("audit", *arguments)
    assert refused.returncode == 1
    assert message in refused.stderr
