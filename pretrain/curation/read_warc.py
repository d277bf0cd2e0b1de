"""Records of a WARC file (plain, gzip or lz4), also of one that is damaged or cut off.

After what cannot be read, reading goes on at the next place that looks like the beginning of a record.
"""

import mmap
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, cast

from fastwarc.warc import ArchiveIterator, WarcRecord, WarcRecordType

from pretrain.curation.raw_records import NoPage, Raw, RawPage, Unreadable

BEGINNINGS = {b"\x1f\x8b": b"\x1f\x8b\x08", b"\x04\x22": b"\x04\x22\x4d\x18"}
"""Of a gzip member and of an lz4 frame, by the first two bytes of the file."""
PLAIN = b"\nWARC/"
ARC = b"filedesc:"
PEEK_BYTES = 4096
WITH_TEXT = WarcRecordType.response | WarcRecordType.resource | WarcRecordType.conversion
HTML = ("text/html", "application/xhtml+xml", "application/xhtml")


def read_warc(path: Path, max_bytes: int) -> Iterator[Raw]:
    """All records of the file; `max_bytes` of a page at most are taken into memory."""
    if path.stat().st_size == 0:
        return
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if is_arc(content[:PEEK_BYTES]):
            yield Unreadable(offset=0, reason="an ARC file: convert it to WARC (warcio recompress) first")
            return
        beginning = BEGINNINGS.get(content[:2], PLAIN)
        start, offset = 0, -1
        while start >= 0:
            file.seek(start)
            records = iter(ArchiveIterator(cast(BinaryIO, file), auto_decode="all", strict_mode=False))
            broken = start
            try:
                for record in records:
                    broken = max(broken, start_of(record, start))
                    # several records in one gzip member have one offset: keep them apart
                    offset = max(offset + 1, start_of(record, start))
                    yield read_record(record, offset, max_bytes)
                return
            except (OSError, ValueError) as error:
                offset = max(offset + 1, broken)
                yield Unreadable(offset=offset, reason=f"damaged: {error}")
            found = content.find(beginning, max(broken, start) + 1)
            start = found + 1 if found >= 0 and beginning == PLAIN else found


def is_arc(beginning: bytes) -> bool:
    """Whether a file that begins so is an ARC file, the format before WARC."""
    if beginning.startswith(b"\x1f\x8b"):
        try:
            beginning = zlib.decompressobj(wbits=31).decompress(beginning)
        except zlib.error:
            return False
    return beginning.startswith(ARC)


def start_of(record: WarcRecord, start: int) -> int:
    """The byte of the file at which a record begins."""
    return max(start, int(record.stream_pos))


def read_record(record: WarcRecord, offset: int, max_bytes: int) -> Raw:
    """One record. What FastWARC raises on the way belongs to it alone."""
    if not record.record_type & WITH_TEXT:
        return NoPage(offset=offset, reason=f"a {record.record_type!s} record")
    status = record.http_headers.status_code if record.is_http and record.http_headers else 200
    if status != 200:
        return NoPage(offset=offset, reason="an answer with a status other than 200")
    declared = record.http_content_type if record.is_http else record.headers.get("Content-Type")
    kind = (declared or "").split(";")[0].strip().lower()
    if kind not in HTML and kind != "text/plain":
        return NoPage(offset=offset, reason="neither HTML nor plain text")
    length = record.content_length
    body = record.reader.read(max_bytes + 1)
    if len(body) > max_bytes:
        return NoPage(offset=offset, reason=f"longer than {max_bytes} bytes")
    encoded = record.is_http and any(
        record.http_headers.get(name) for name in ("Content-Encoding", "Transfer-Encoding")
    )
    if not encoded and len(body) < length:
        return Unreadable(offset=offset, reason=f"cut off after {len(body)} of {length} bytes")
    date = record.record_date
    page = RawPage(
        offset=offset,
        url=record.headers.get("WARC-Target-URI"),
        date=date.isoformat() if date else None,
    )
    if kind == "text/plain":
        return replace(page, text=body.decode("utf-8", errors="replace"))
    return replace(page, body=body, charset=record.http_charset if record.is_http else None)
