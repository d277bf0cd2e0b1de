"""TensorBoard's event files: scalars alone, which is all that a run's metrics are. Pure.

The format by hand, for it is small and never changes, and the packages that write it bring a server with
them: a file is a sequence of records (length, its checksum, content, its checksum), each content a protocol
buffer `Event` (tensorflow/core/util/event.proto) with a time, a step and tagged numbers.
"""

import struct
from collections.abc import Iterable
from pathlib import Path

from alignment.metrics_export.rows import Row

POLYNOMIAL = 0x82F63B78
"""CRC-32C (Castagnoli), reflected."""

WIRE_VARINT, WIRE_DOUBLE, WIRE_BYTES, WIRE_FLOAT = 0, 1, 2, 5


def _crc_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ (POLYNOMIAL if crc & 1 else 0)
        table.append(crc)
    return tuple(table)


TABLE = _crc_table()


def crc32c(data: bytes) -> int:
    """The CRC-32C of the data."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def events_append(path: Path, rows: Iterable[Row], *, size: int = 0) -> int:
    """Append the rows to the file, whose first `size` bytes stand; its size after that, in bytes.

    What a crash left behind `size` is cut off. A file without content begins with the format's version.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    listed = list(rows)
    with path.open("r+b" if path.exists() else "w+b") as file:
        file.truncate(size)
        file.seek(size)
        if size == 0 and listed:
            file.write(_record(_double(1, listed[0].time) + _bytes(3, b"brain.Event:2")))
        for row in listed:
            if row.values:
                file.write(_record(_event(row)))
        return file.tell()


def _event(row: Row) -> bytes:
    values = b"".join(
        _bytes(1, _bytes(1, tag.encode()) + _float(2, value)) for tag, value in sorted(row.values.items())
    )
    return _double(1, row.time) + _key(2, WIRE_VARINT) + _varint(row.step) + _bytes(5, values)


def _record(content: bytes) -> bytes:
    length = struct.pack("<Q", len(content))
    return length + _masked(length) + content + _masked(content)


def _masked(data: bytes) -> bytes:
    """Its checksum as the format stores it: rotated, so that a checksum of checksums is no constant."""
    crc = crc32c(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def _key(field: int, wire: int) -> bytes:
    return _varint(field << 3 | wire)


def _varint(number: int) -> bytes:
    assert number >= 0, number
    parts = bytearray()
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    parts.append(number)
    return bytes(parts)


def _double(field: int, value: float) -> bytes:
    return _key(field, WIRE_DOUBLE) + struct.pack("<d", value)


def _float(field: int, value: float) -> bytes:
    """As a 32-bit float; what is too large for one becomes infinite."""
    try:
        return _key(field, WIRE_FLOAT) + struct.pack("<f", value)
    except OverflowError:
        return _key(field, WIRE_FLOAT) + struct.pack("<f", float("inf") if value > 0 else float("-inf"))


def _bytes(field: int, value: bytes) -> bytes:
    return _key(field, WIRE_BYTES) + _varint(len(value)) + value
