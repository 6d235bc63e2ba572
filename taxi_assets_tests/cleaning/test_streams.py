"""The two streams of a cleaned month: in the file's order, as often as wanted, and broken only where the file is."""

import json
from collections.abc import Iterable
from contextlib import AbstractContextManager
from importlib.metadata import version
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from taxi_assets.catalog import DEFAULT_RULES
from taxi_assets.cleaning import Cleaned, cleaned_month
from taxi_assets.errors import BadFile
from taxi_assets.raw_file import RawFile

from .months import FHV_TRIP, GREEN_TRIP, JANUARY, PICKUP, Trip, month_of, outcome_of, raw_file, written

FHV = FHV_TRIP.dataset
REFUND = GREEN_TRIP.but(total_amount=-12.3)
MANY = 300_000  # more than two batches, and with small row groups something for every thread


def cleaned(raw: RawFile, trip: Trip, rules: Iterable[str] = DEFAULT_RULES) -> AbstractContextManager[Cleaned]:
    return cleaned_month(raw, trip.dataset, JANUARY, rules, raw.path.parent / "scratch")


@pytest.mark.parametrize("processors", [1, 4])
def test_rows_leave_in_the_files_order_on_any_number_of_processors(
    processors: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = pa.array(range(MANY))
    zones = pc.if_else(pc.equal(pc.bit_wise_and(rows, 3), 0), 0, 265)
    table = pa.table(
        {
            "dispatching_base_num": rows.cast(pa.string()),
            "pickup_datetime": pa.repeat(PICKUP, MANY),
            "dropOff_datetime": pa.nulls(MANY, pa.timestamp("us")),
            "PUlocationID": zones,
            "DOlocationID": zones,
            "SR_Flag": pa.nulls(MANY),
            "Affiliated_base_number": pa.nulls(MANY, pa.string()),
        }
    )
    path = written(table, tmp_path, FHV, row_group_size=5_000)
    monkeypatch.setattr("os.cpu_count", lambda: processors)
    outcome = outcome_of(path, FHV)
    for stream, expected in ((outcome.clean, pc.greater(zones, 0)), (outcome.quarantine, pc.equal(zones, 0))):
        assert stream["source_row"].combine_chunks() == rows.filter(expected).cast(pa.int32())
        assert stream["dispatching_base_num"].cast(pa.int32()) == stream["source_row"]


def test_both_streams_can_be_open_at_once_and_again(tmp_path: Path) -> None:
    trips = GREEN_TRIP.each(total_amount=[1.0, 2.0, -3.0])
    path = written(month_of(*trips), tmp_path, GREEN_TRIP.dataset)
    with cleaned(raw_file(path), GREEN_TRIP) as month:
        clean, quarantine = month.clean.batches(), month.quarantine.batches()
        assert (next(quarantine).num_rows, next(clean).num_rows) == (1, 2)
        assert (month.quarantine.to_table().num_rows, month.clean.to_table().num_rows) == (1, 2)


def test_what_is_known_of_the_file_travels_with_both_streams(tmp_path: Path) -> None:
    raw = raw_file(written(month_of(FHV_TRIP, FHV_TRIP), tmp_path, FHV))
    with cleaned(raw, FHV_TRIP) as month:
        known = month.clean.provenance
        assert month.quarantine.provenance == known
    assert known["taxi/source_sha256"] == raw.sha256
    assert (known["taxi/source_rows"], known["taxi/rejected_rows"]) == ("2", "1")
    assert json.loads(known["taxi/rejected_by_rule"])["duplicate"] == 1
    assert (known["taxi/dataset"], known["taxi/source_bytes"]) == ("fhv", str(raw.size))
    assert known["taxi/rules"].split(",")[0] == "unreadable_value"
    assert known["taxi/code_version"] == version("taxi_assets")


def test_a_file_that_is_no_parquet_is_a_bad_file(tmp_path: Path) -> None:
    path = tmp_path / FHV.file_name(JANUARY)
    path.write_text("<Error><Code>AccessDenied</Code></Error>")
    with (
        pytest.raises(BadFile, match=r"fhv_tripdata_2022-01\.parquet cannot be read: "),
        cleaned(raw_file(path), FHV_TRIP),
    ):
        pass


def test_a_file_that_is_damaged_while_it_is_cleaned_is_a_bad_file_too(tmp_path: Path) -> None:
    path = written(month_of(GREEN_TRIP, REFUND), tmp_path, REFUND.dataset)
    with (
        cleaned(raw_file(path), REFUND) as month,
        pytest.raises(BadFile, match=r"green_tripdata_2022-01\.parquet cannot be read: "),
    ):
        path.write_bytes(path.read_bytes()[:-20])
        month.clean.to_table()
