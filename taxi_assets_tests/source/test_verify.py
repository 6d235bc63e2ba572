import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from taxi_assets.errors import BadFile
from taxi_assets.sample.zone_shapes import write_zone_shapes
from taxi_assets.source.verify import verify_parquet, verify_shapes, verify_zones

NAME = "green_tripdata_2024-01.parquet"
XML = b'<?xml version="1.0"?>\n<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>'
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:f49b\nsize 11886281\n"

LOOKALIKES = {
    "empty": (b"", "is empty.*fetch it again"),
    "blank": (b" \r\n", "is empty"),
    "S3 error": (XML, r"XML error page \(<Code>AccessDenied</Code>\).*check the month"),
    "S3 error without a prologue": (XML.partition(b"\n")[2], "<Code>AccessDenied</Code>"),
    "XML": (b"<rss/>", "an XML page"),
    "HTML": (b"\n<!DOCTYPE html><html>", "HTML page.*open the address in a browser"),
    "HTML behind a byte order mark": (b"\xef\xbb\xbf<HTML>", "HTML page"),
    "LFS pointer": (LFS, "Git LFS pointer.*git lfs pull"),
    "JSON": (b' {"error": "slow down"}', "a JSON answer"),
    "encrypted": (b"PARE....PARE", "encrypted footer"),
    "gzip": (b"\x1f\x8b\x08", "compressed with gzip"),
    "anything else": (b"VendorID,lpep", "begins with b'VendorID,lpep'"),
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / NAME


def test_a_whole_file_gives_the_rows_of_its_footer(file: Path, trips: bytes) -> None:
    file.write_bytes(trips)
    assert verify_parquet(file) == 2000


def test_a_file_without_rows_is_whole(file: Path) -> None:
    pq.write_table(pa.table({"trip": pa.array([], pa.int64())}), file)
    assert verify_parquet(file) == 0


def test_a_file_without_dictionaries_is_whole(file: Path) -> None:
    pq.write_table(pa.table({"trip": range(10)}), file, use_dictionary=False)
    assert verify_parquet(file) == 10


@pytest.mark.parametrize(("body", "text"), LOOKALIKES.values(), ids=LOOKALIKES)
def test_what_is_not_parquet_is_named_with_what_to_do(file: Path, body: bytes, text: str) -> None:
    file.write_bytes(body)
    with pytest.raises(BadFile, match=f"^{NAME} .*{text}"):
        verify_parquet(file)


def test_no_beginning_of_a_file_passes_for_the_whole(file: Path, trips: bytes) -> None:
    for size in [*range(0, len(trips), 5003), *range(len(trips) - 40, len(trips))]:
        file.write_bytes(trips[:size])
        with pytest.raises(BadFile, match="is empty" if size == 0 else "cut short|begins with|cannot be read"):
            verify_parquet(file)


def test_a_cut_file_says_how_much_there_is(file: Path, trips: bytes) -> None:
    file.write_bytes(trips[:123_456])
    with pytest.raises(BadFile, match="cut short: 123,456 bytes"):
        verify_parquet(file)


def test_bytes_missing_in_the_middle_are_noticed(file: Path, trips: bytes) -> None:
    file.write_bytes(trips[:1000] + trips[1100:])
    with pytest.raises(BadFile, match=r"is damaged: column .* cannot be read .*fetch it again"):
        verify_parquet(file)


def test_a_footer_of_rubbish_is_noticed(file: Path, trips: bytes) -> None:
    file.write_bytes(trips[:-200] + bytes(192) + trips[-8:])
    with pytest.raises(BadFile, match="footer that cannot be read"):
        verify_parquet(file)


def test_a_head_and_a_foot_are_not_enough(file: Path) -> None:
    file.write_bytes(b"PAR1PAR1")
    with pytest.raises(BadFile, match="footer that cannot be read"):
        verify_parquet(file)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("yellow_tripdata_2024-01.s3_access_denied.parquet", "<Code>AccessDenied</Code>"),
        ("fhv_tripdata_2021-01.git_lfs_pointer.parquet", "Git LFS pointer"),
        ("yellow_tripdata_2024-01.truncated.parquet", "cut short: 400,000 bytes"),
    ],
)
def test_real_broken_files_are_refused(tlc: Path, name: str, text: str) -> None:
    with pytest.raises(BadFile, match=text):
        verify_parquet(tlc / "odd" / name)


def test_real_files_are_whole(tlc: Path) -> None:
    rows = {file.name: verify_parquet(file) for file in (tlc / "trip-data").glob("*.parquet")}
    assert rows["green_tripdata_2023-02.parquet"] == 64_809
    assert rows["yellow_tripdata_2010-02.parquet"] == 11_145


class TestZones:
    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        return tmp_path / "taxi_zone_lookup.csv"

    def test_a_whole_lookup_gives_its_rows(self, file: Path, zones: bytes) -> None:
        file.write_bytes(zones)
        assert verify_zones(file) == 3

    def test_a_byte_order_mark_is_tolerated(self, file: Path, zones: bytes) -> None:
        file.write_bytes(b"\xef\xbb\xbf" + zones)
        assert verify_zones(file) == 3

    @pytest.mark.parametrize("name", ["taxi_zone_lookup.csv", "taxi_zone_lookup.older.csv"])
    def test_the_real_lookup_has_265_rows(self, tlc: Path, name: str) -> None:
        assert verify_zones(tlc / "misc" / name) == 265

    @pytest.mark.parametrize(("body", "text"), [LOOKALIKES[key] for key in ("empty", "S3 error", "HTML", "JSON")])
    def test_what_is_not_the_lookup_is_named(self, file: Path, body: bytes, text: str) -> None:
        file.write_bytes(body)
        with pytest.raises(BadFile, match=f"^taxi_zone_lookup.csv .*{text}"):
            verify_zones(file)

    def test_another_header_is_refused(self, file: Path, zones: bytes) -> None:
        file.write_bytes(zones.replace(b"Borough", b"borough"))
        with pytest.raises(BadFile, match="not the zone lookup"):
            verify_zones(file)

    def test_a_header_alone_is_refused(self, file: Path, zones: bytes) -> None:
        file.write_bytes(zones.partition(b"\n")[0])
        with pytest.raises(BadFile, match="a header and no row"):
            verify_zones(file)

    @pytest.mark.parametrize(
        "row", [b'x,"Queens","Zone","Boro Zone"', b'3.0,"Queens","Zone","Boro Zone"', b'3,"Queens","Zone"', b"", b",,,"]
    )
    def test_a_row_that_is_not_an_id_and_three_texts_is_refused(self, file: Path, zones: bytes, row: bytes) -> None:
        file.write_bytes(zones + row + b"\r\n")
        with pytest.raises(BadFile, match="row 4"):
            verify_zones(file)

    @pytest.mark.parametrize("missing", [3, 5, 9, 14, 20, 25])
    def test_a_lookup_cut_inside_its_last_row_is_refused(self, file: Path, zones: bytes, missing: int) -> None:
        file.write_bytes(zones[:-missing])
        with pytest.raises(BadFile, match="damaged"):
            verify_zones(file)

    def test_bytes_that_are_no_text_are_refused(self, file: Path, zones: bytes) -> None:
        file.write_bytes(zones + b"\xff\xfe")
        with pytest.raises(BadFile, match="damaged"):
            verify_zones(file)


class TestShapes:
    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        write_zone_shapes(tmp_path / "taxi_zones.zip")
        return tmp_path / "taxi_zones.zip"

    def test_a_whole_file_gives_its_shapes(self, file: Path) -> None:
        assert verify_shapes(file) == 263

    def test_the_real_file_is_whole(self, tlc: Path) -> None:
        assert verify_shapes(tlc / "misc" / "taxi_zones.zip") == 263

    @pytest.mark.parametrize(("body", "text"), LOOKALIKES.values(), ids=LOOKALIKES)
    def test_what_is_no_zip_is_named_with_what_to_do(self, file: Path, body: bytes, text: str) -> None:
        file.write_bytes(body)
        with pytest.raises(BadFile, match=f"^taxi_zones.zip .*{text}"):
            verify_shapes(file)

    def test_no_beginning_of_a_file_passes_for_the_whole(self, file: Path) -> None:
        whole = file.read_bytes()
        for size in range(2, len(whole), 30_011):
            file.write_bytes(whole[:size])
            with pytest.raises(BadFile, match="cut short or damaged"):
                verify_shapes(file)

    def test_a_byte_that_changed_is_noticed(self, file: Path) -> None:
        body = bytearray(file.read_bytes())
        body[len(body) // 2] ^= 1
        file.write_bytes(body)
        with pytest.raises(BadFile, match=r"damaged: taxi_zones/taxi_zones\.\w+ has another checksum"):
            verify_shapes(file)

    @pytest.mark.parametrize(
        ("offset", "value", "text"), [(8, 1, "encrypted"), (10, 97, "compression method")], ids=["encrypted", "packed"]
    )
    def test_a_zip_that_cannot_be_unpacked_is_refused(self, file: Path, offset: int, value: int, text: str) -> None:
        body = bytearray(file.read_bytes())
        entry = body.index(b"PK\x01\x02")  # in the directory at the end: flags at 8, the method at 10
        body[entry + offset : entry + offset + 2] = value.to_bytes(2, "little")
        file.write_bytes(body)
        with pytest.raises(BadFile, match=text):
            verify_shapes(file)

    def test_a_zip_of_something_else_is_refused(self, file: Path) -> None:
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("taxi_zones/taxi_zones.shp", b"")
            archive.writestr("__MACOSX/._taxi_zones.dbf", b"")
        with pytest.raises(BadFile, match=r"no whole shapefile \(\.shp, \.shx, \.dbf\)"):
            verify_shapes(file)
