"""A large file over a connection that may break: aside, hashed, held against its manifest, then renamed."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import httpx

from accord_client.errors import ConnectionLost, ExportMismatch, raise_for
from accord_client.retrying import BUSY, Retrying, retry_after
from accord_client.shapes import Manifest

Parameters = Sequence[tuple[str, str]]
NUM_COMPARED = 3
"""How often a file may differ from its manifest: somebody may judge while it is on its way."""
MANIFEST_ENDING = ".manifest.json"


def download(
    http: httpx.Client, retrying: Retrying, project: str, path: Path, parameters: Parameters
) -> Manifest:
    """Write the export to `path` and its manifest beside it; the manifest."""
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    address = f"/projects/{project}/export"
    try:
        for _ in range(NUM_COMPARED):
            size, digest = _fetch(http, retrying, address, parameters, aside)
            answer = retrying.call(
                lambda: http.get(f"{address}/manifest", params=list(parameters), timeout=None), safe=True
            )
            raise_for(answer)
            manifest = Manifest.model_validate(answer.json())
            [file] = manifest.files
            if (file.bytes, file.sha256) == (size, digest):
                here = file.model_copy(update={"name": path.name})
                manifest = manifest.model_copy(update={"files": (here,)})
                aside.replace(path)
                beside = path.with_name(path.name + MANIFEST_ENDING)
                beside.write_text(manifest.model_dump_json(indent=1) + "\n", encoding="utf-8")
                return manifest
        raise ExportMismatch(
            f"{project} changed during each of {NUM_COMPARED} downloads: try again when fewer people judge."
        )
    finally:
        aside.unlink(missing_ok=True)


def _fetch(
    http: httpx.Client, retrying: Retrying, address: str, parameters: Parameters, aside: Path
) -> tuple[int, str]:
    """Bytes and SHA-256 of the file, from its beginning each time the connection breaks."""
    for number in range(1, retrying.num_tries + 1):
        last = number == retrying.num_tries
        asked_for = None
        try:
            with http.stream("GET", address, params=list(parameters)) as answer:
                if last or answer.status_code not in BUSY:
                    raise_for(answer)
                    return _write(answer, aside)
                asked_for = retry_after(answer)
        except httpx.TransportError as error:
            if last:
                raise ConnectionLost(f"{type(error).__name__}: {error}") from error
        retrying.pause(number, asked_for=asked_for)
    raise AssertionError(retrying.num_tries)


def _write(answer: httpx.Response, aside: Path) -> tuple[int, str]:
    digest, size = hashlib.sha256(), 0
    with aside.open("wb") as out:
        for piece in answer.iter_bytes():
            digest.update(piece)
            size += len(piece)
            out.write(piece)
    return size, digest.hexdigest()
