"""Parquet footers whose statistics lie: no writer makes them, so the Thrift (compact protocol) is rewritten here."""

from collections.abc import Callable, Iterator
from typing import Any

Struct = dict[int, list[Any]]  # field -> its type and value
Statistics = Struct
MAX, MIN, NULL_COUNT, MAX_VALUE, MIN_VALUE = 1, 2, 3, 5, 6
SIZES, DEFINITION_LEVELS = 16, 3  # of a column's metadata, and of those
_BOOLEANS, _BYTE, _NUMBERS, _DOUBLE, _BINARY, _LIST, _STRUCT = (1, 2), 3, (4, 5, 6), 7, 8, 9, 12
_ROW_GROUPS, _COLUMNS, _METADATA, _PATH, _ROWS, _STATISTICS = 4, 1, 3, 3, 5, 12
_TAIL = 8


def with_statistics(file: bytes, column: str | None, change: Callable[[Statistics, int], None]) -> bytes:
    """The file with other statistics of that column, or of all; `change` gets them and the chunk's number of values."""

    def change_statistics(metadata: Struct) -> None:
        if _STATISTICS in metadata:
            change(metadata[_STATISTICS][1], metadata[_ROWS][1])

    return with_metadata(file, column, change_statistics)


def with_metadata(file: bytes, column: str | None, change: Callable[[Struct], None]) -> bytes:
    """The file with other metadata of that column's chunks, or of all."""
    size = int.from_bytes(file[-_TAIL:-4], "little")
    data_end = len(file) - _TAIL - size
    footer, _ = _read_struct(file, data_end)
    for group in footer[_ROW_GROUPS][1][1]:
        for chunk in group[_COLUMNS][1][1]:
            metadata = chunk[_METADATA][1]
            if column in (None, b".".join(metadata[_PATH][1][1]).decode()):
                change(metadata)
    written = b"".join(_written_struct(footer))
    return file[:data_end] + written + len(written).to_bytes(4, "little") + file[-4:]


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = data[at]
        number |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return number, at


def _read_struct(data: bytes, at: int) -> tuple[Struct, int]:
    fields: Struct = {}
    field = 0
    while header := data[at]:
        at += 1
        if header >> 4:
            field += header >> 4
        else:
            number, at = _read_varint(data, at)
            field = _unzigzag(number)
        value, at = (header & 15 == 1, at) if header & 15 in _BOOLEANS else _read_value(data, at, header & 15)
        fields[field] = [header & 15, value]
    return fields, at + 1


def _read_value(data: bytes, at: int, kind: int) -> tuple[Any, int]:
    if kind in (*_BOOLEANS, _BYTE):
        return data[at : at + 1], at + 1
    if kind in _NUMBERS:
        number, at = _read_varint(data, at)
        return _unzigzag(number), at
    if kind == _DOUBLE:
        return data[at : at + 8], at + 8
    if kind == _BINARY:
        size, at = _read_varint(data, at)
        return data[at : at + size], at + size
    if kind == _STRUCT:
        return _read_struct(data, at)
    assert kind == _LIST
    size, element, at = data[at] >> 4, data[at] & 15, at + 1
    if size == 15:
        size, at = _read_varint(data, at)
    values = []
    for _ in range(size):
        value, at = _read_value(data, at, element)
        values.append(value)
    return (element, values), at


def _written_struct(fields: Struct) -> Iterator[bytes]:
    before = 0
    for field, (kind, value) in sorted(fields.items()):
        assert 0 < field - before < 16
        yield bytes([(field - before) << 4 | kind])
        if kind not in _BOOLEANS:
            yield from _written_value(kind, value)
        before = field
    yield b"\0"


def _written_value(kind: int, value: Any) -> Iterator[bytes]:
    if kind in _NUMBERS:
        yield _varint(_zigzag(value))
    elif kind == _BINARY:
        yield _varint(len(value)) + value
    elif kind == _STRUCT:
        yield from _written_struct(value)
    elif kind == _LIST:
        element, values = value
        yield bytes([len(values) << 4 | element]) if len(values) < 15 else bytes([240 | element]) + _varint(len(values))
        for one in values:
            yield from _written_value(element, one)
    else:
        yield value


def _varint(number: int) -> bytes:
    written = bytearray()
    while number > 127:
        written.append(number & 127 | 128)
        number >>= 7
    return bytes([*written, number])


def _zigzag(number: int) -> int:
    return number << 1 if number >= 0 else (-number << 1) - 1


def _unzigzag(number: int) -> int:
    return (number >> 1) ^ -(number & 1)
