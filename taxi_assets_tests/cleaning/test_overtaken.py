"""A month that is cleaned while another run replaces its file in the lake."""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from taxi_assets.catalog import DEFAULT_RULES, dataset_named
from taxi_assets.cleaning import cleaned_month
from taxi_assets.month import Month
from taxi_assets.raw_file import RawFile, sha256_of
from taxi_assets.sample import write_month
from taxi_assets.stores.base import TableSlice
from taxi_assets.stores.lake.folder.store import LocalLake

GREEN, MONTH = dataset_named("green"), Month(2024, 1)
ROWS = 2_000


def test_a_month_is_cleaned_from_one_file_whatever_replaces_it_meanwhile(tmp_path: Path) -> None:
    lake = LocalLake(tmp_path / "lake")
    path = tmp_path / "inbox" / GREEN.file_name(MONTH)
    path.parent.mkdir()
    write_month(GREEN, MONTH, path, rows=ROWS)
    rows = pq.read_table(path)
    raw = put(lake, path)
    with cleaned_month(raw, GREEN, MONTH, DEFAULT_RULES, tmp_path) as cleaned:
        pq.write_table(rows.take(pa.array([*range(ROWS // 2, ROWS), *range(ROWS // 2)])), path)
        assert put(lake, path).sha256 != raw.sha256
        quarantine = lake.replace(TableSlice("green/quarantined_trips", MONTH), cleaned.quarantine)
        clean = lake.replace(TableSlice("green/clean_trips", MONTH), cleaned.clean)
    assert clean.rows + quarantine.rows == cleaned.source_rows == ROWS
    found = lake.read("green/clean_trips", [MONTH]).to_table()
    assert not pc.any(pc.less(found["total_amount"], 0)).as_py()
    assert not pc.any(pc.less(found["dropoff_datetime"], found["pickup_datetime"])).as_py()


def put(lake: LocalLake, path: Path) -> RawFile:
    raw = RawFile(path, path.as_uri(), path.stat().st_size, sha256_of(path), ROWS)
    lake.put_file("green/raw_trips", raw)
    return lake.get_file("green/raw_trips", path.name)
