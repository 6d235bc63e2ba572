"""What a new version of a month is said to change, with the lake on a disk and in a bucket."""

import json
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from taxi_assets.catalog import DEFAULT_RULES, Layer
from taxi_assets.cleaning import cleaned_month, version_diff
from taxi_assets.errors import BadFile
from taxi_assets.stores.base import TableSlice
from taxi_assets.stores.lake.folder.store import LocalLake
from taxi_assets.stores.lake.gcs.client import open_client
from taxi_assets.stores.lake.gcs.store import GCSLake
from taxi_assets_tests.report.lakes import store_diff
from taxi_assets_tests.servers.gcs import GcsServer, new_bucket

from .months import FHV_TRIP, FHVHV_TRIP, GREEN_TRIP, JANUARY, PICKUP, Trip, month_of, raw_file, written

MINUTES = [PICKUP + timedelta(minutes=minute) for minute in range(20)]
HOUR_LATER = PICKUP + timedelta(hours=1)
TRIPS = [trip.but(dropoff_datetime=HOUR_LATER) for trip in GREEN_TRIP.each(pickup_datetime=MINUTES)]
AnyLake = LocalLake | GCSLake


@pytest.fixture
def lake(tmp_path: Path) -> LocalLake:
    return LocalLake(tmp_path / "lake")


@pytest.fixture(params=["a folder", "a bucket"])
def any_lake(request: pytest.FixtureRequest, lake: LocalLake, tmp_path: Path) -> AnyLake:
    if request.param == "a folder":
        return lake
    gcs: GcsServer = request.getfixturevalue("gcs")
    bucket = new_bucket()
    assert gcs.url
    return GCSLake(open_client, bucket.name, "", tmp_path / "downloads")


def load(lake: AnyLake, folder: Path, trips: Sequence[Trip], rules: Iterable[str] = DEFAULT_RULES) -> dict[str, Any]:
    """Put the trips into the lake as the clean month, and return what is said of the change; nothing if nothing is."""
    dataset = trips[0].dataset
    raw = raw_file(written(month_of(*trips), folder, dataset))
    scratch = folder / "scratch"
    with cleaned_month(raw, dataset, JANUARY, rules, scratch) as cleaned:
        diff = version_diff(cleaned.clean, lake, dataset, JANUARY, scratch)
        store_diff(lake, dataset, JANUARY, diff, folder)
        lake.replace(TableSlice(dataset.path(Layer.CLEAN), JANUARY), cleaned.clean)
    return json.loads(diff) or {}


def counted(changes: dict[str, Any]) -> dict[str, int]:
    return {name: changes[name] for name in ("removed", "added", "changed") if changes[name]}


def test_the_first_version_changes_nothing(any_lake: AnyLake, tmp_path: Path) -> None:
    assert load(any_lake, tmp_path, TRIPS) == {}


def test_rows_that_went_that_came_and_that_changed_are_distinguished(any_lake: AnyLake, tmp_path: Path) -> None:
    load(any_lake, tmp_path, TRIPS)
    before = any_lake.read("green/clean_trips", [JANUARY]).provenance
    dearer = [trip.but(total_amount=20.0, payment_type=1) for trip in TRIPS[10:13]]
    late = GREEN_TRIP.but(pickup_datetime=PICKUP - timedelta(hours=1), total_amount=1.0)
    changes = load(any_lake, tmp_path, [*TRIPS[3:10], late, *dearer, *TRIPS[13:]])
    assert counted(changes) == {"removed": 3, "added": 1, "changed": 3}
    assert (changes["rows_before"], changes["rows_after"]) == (20, 18)
    assert (changes["amount_before"], changes["amount_after"]) == (246.0, 233.2)
    assert changes["since_sha256"] == before["taxi/source_sha256"]
    assert changes["since_rules"] == before["taxi/rules"]
    removed, added, changed = changes["examples"][0], changes["examples"][3], changes["examples"][4]
    assert (removed["kind"], removed["row"]["source_row"], removed["row"]["total_amount"]) == ("removed", 0, 12.3)
    assert (added["kind"], added["row"]["pickup_datetime"]) == ("added", "2022-01-15T11:00:00")
    assert changed == {
        "kind": "changed",
        "row": {
            "vendor_id": 2,
            "pickup_datetime": "2022-01-15T12:10:00",
            "dropoff_datetime": "2022-01-15T13:00:00",
            "pickup_location_id": 74,
            "dropoff_location_id": 166,
            "source_row": 8,
        },
        "before": {"payment_type": 2, "total_amount": 12.3},
        "after": {"payment_type": 1, "total_amount": 20.0},
    }


def clean_file(lake: LocalLake) -> Path:
    [path] = lake.root.glob("green/clean_trips/month=2022-01/*.parquet")
    return path.resolve()


def test_the_same_file_again_says_the_same_in_the_same_bytes(lake: LocalLake, tmp_path: Path) -> None:
    load(lake, tmp_path, TRIPS)
    changes = load(lake, tmp_path, TRIPS[1:])
    path = clean_file(lake)
    written_first = path.read_bytes()
    assert load(lake, tmp_path, TRIPS[1:]) == changes
    assert clean_file(lake) == path
    assert path.read_bytes() == written_first


def test_other_rules_change_what_they_let_pass(lake: LocalLake, tmp_path: Path) -> None:
    trips = [*TRIPS, TRIPS[0].but(trip_distance=501.0)]
    load(lake, tmp_path, trips)
    changes = load(lake, tmp_path, trips, rules=["missing_time"])
    assert counted(changes) == {"added": 1}
    assert "impossible_distance" in changes["since_rules"]


def test_rows_in_another_order_are_no_change(lake: LocalLake, tmp_path: Path) -> None:
    load(lake, tmp_path, TRIPS)
    changes = load(lake, tmp_path, TRIPS[::-1])
    assert counted(changes) == {}
    assert changes["examples"] == []


def test_equal_rows_count_as_often_as_they_are_there(lake: LocalLake, tmp_path: Path) -> None:
    load(lake, tmp_path, [TRIPS[0]] * 3 + [TRIPS[1]], rules=[])
    assert counted(load(lake, tmp_path, [TRIPS[0]] + [TRIPS[1]] * 2, rules=[])) == {"removed": 2, "added": 1}


@pytest.mark.parametrize("seed", range(3))
def test_many_changes_at_once_are_counted_as_bags_of_rows(lake: LocalLake, tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - not for secrets

    def version() -> list[tuple[int, float | None]]:
        return [(chance.randrange(20), chance.choice([1.0, 2.5, None])) for _ in range(200)]

    old, new = version(), version()
    for rows in (old, new):
        changes = load(lake, tmp_path, [TRIPS[trip].but(tip_amount=tip) for trip, tip in rows], rules=[])
    removed, added = Counter(old) - Counter(new), Counter(new) - Counter(old)
    changed = (Counter(trip for trip, _ in removed.elements()) & Counter(trip for trip, _ in added.elements())).total()
    assert (changes["removed"], changes["added"], changes["changed"]) == (
        removed.total() - changed,
        added.total() - changed,
        changed,
    )
    kinds = Counter(example["kind"] for example in changes["examples"])
    assert kinds == {name: min(5, number) for name, number in counted(changes).items()}


@pytest.mark.parametrize("trip", [FHV_TRIP, FHVHV_TRIP], ids=lambda trip: trip.dataset.name)
def test_datasets_without_a_total_have_no_amounts(lake: LocalLake, tmp_path: Path, trip: Trip) -> None:
    trips = trip.each(dropoff_location_id=[1, 2, 3, None])
    load(lake, tmp_path, trips)
    changes = load(lake, tmp_path, trips[:3])
    assert counted(changes) == {"removed": 1}
    assert (changes["amount_before"], changes["amount_after"]) == (None, None)
    assert "dropoff_location_id" not in changes["examples"][0]["row"]


def test_an_old_month_that_cannot_be_read_stands_in_nobodys_way(lake: LocalLake, tmp_path: Path) -> None:
    load(lake, tmp_path, TRIPS)
    whole = clean_file(lake).read_bytes()
    for damaged in (whole[:-20], b"PAR1" + bytes(200) + whole[204:]):
        clean_file(lake).write_bytes(damaged)
        assert load(lake, tmp_path, TRIPS[1:]) == {}
        assert lake.count(TableSlice("green/clean_trips", JANUARY)) == 19


def test_a_new_file_that_breaks_off_is_reported_as_what_it_is(lake: LocalLake, tmp_path: Path) -> None:
    load(lake, tmp_path, TRIPS)
    path = written(month_of(*TRIPS[1:]), tmp_path, GREEN_TRIP.dataset)
    with (
        cleaned_month(raw_file(path), GREEN_TRIP.dataset, JANUARY, DEFAULT_RULES, tmp_path / "scratch") as cleaned,
        pytest.raises(BadFile, match=r"green_tripdata_2022-01\.parquet cannot be read"),
    ):
        path.write_bytes(path.read_bytes()[:-20])
        version_diff(cleaned.clean, lake, GREEN_TRIP.dataset, JANUARY, tmp_path / "scratch")
