"""Files that are no UTF-8 text with one JSON object a line, told by their first bytes."""

import re

from annotation.importing.refusal import Reason, RowRefused

HEAD_BYTES = 4096
"""How much of a file's beginning is looked at."""

ARCHIVES = {
    b"PK\x03\x04": "a ZIP archive: unpack it and import the files in it",
    b"\xfd7zXZ\x00": "packed with xz: unpack it with `xz -d`, or pack it with gzip",
    b"\x28\xb5\x2f\xfd": "packed with zstd: unpack it with `zstd -d`, or pack it with gzip",
    b"BZh": "packed with bzip2: unpack it with `bzip2 -d`, or pack it with gzip",
    b"%PDF": "a PDF: export the data as JSON lines or Parquet",
    b"\xd0\xcf\x11\xe0": "an Office document: export the data as JSON lines or Parquet",
}
MARKS = {
    b"\xff\xfe\x00\x00": "UTF-32",
    b"\x00\x00\xfe\xff": "UTF-32",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}
COLUMN = re.compile(r"[A-Za-z_][\w .\-]{0,60}")


def check_head(head: bytes, name: str) -> None:
    """Look at the first bytes of a file, unpacked, called `name`. Raises RowRefused with what to do."""
    for magic, sentence in ARCHIVES.items():
        if head.startswith(magic):
            raise RowRefused(Reason.WRONG_FILE, f"it is {sentence}")
    encoding = next((encoding for mark, encoding in MARKS.items() if head.startswith(mark)), "")
    if encoding or _every_other_byte_is_nul(head):
        encoding = encoding or "UTF-16"
        raise RowRefused(
            Reason.NOT_UTF8,
            f"it is {encoding}: save it as UTF-8, as `iconv -f {encoding} -t UTF-8` does",
        )
    first, _, second = head.decode("utf-8-sig", "replace").lstrip().partition("\n")
    if _is_table_header(first.strip(), name) and not second.lstrip().startswith("{"):
        raise RowRefused(
            Reason.WRONG_FILE,
            "it is a table of text (CSV): give one JSON object a line, or Parquet, "
            "with the same columns as fields",
        )
    if first.startswith("[{") or first.strip() == "[":
        raise RowRefused(
            Reason.WRONG_FILE,
            "it is one JSON list: give one JSON object a line, as `jq -c '.[]'` makes of it",
        )


def _every_other_byte_is_nul(head: bytes) -> bool:
    """As in UTF-16 of mostly Latin text, without a mark."""
    even, odd = head[:64:2], head[1:64:2]
    return len(odd) > 1 and (not any(even) or not any(odd)) and any(head[:64])


def _is_table_header(line: str, name: str) -> bool:
    for separator in (",", "\t", ";"):
        columns = [column.strip().strip('"') for column in line.split(separator)]
        if len(columns) > 1 and all(COLUMN.fullmatch(column) for column in columns):
            return True
    return name.lower().endswith((".csv", ".tsv", ".csv.gz", ".tsv.gz")) and not line.startswith("{")
