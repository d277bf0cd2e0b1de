"""Finished model folders in S3-compatible storage, each under its content hash. Knows no database.

    python -m registry.artifact_store push|pull s3://BUCKET/PREFIX FOLDER HASH

    PREFIX/HASH/...      the folder's files
    PREFIX/HASH.json     its manifest, written last: what has no manifest is not there

Files go in parallel, large ones in parts. What is there with the right hash is not sent again, nor are parts
that a killed push left behind; a pull goes on where it was cut off. What comes out is held against the hashes
before it gets its name. Raises StoreError with a sentence.
"""

import fcntl
import hashlib
import json
import os
import sys
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import s3fs
from botocore.exceptions import BotoCoreError, ClientError

from registry.content import content_files

PART_BYTES = 64 << 20
NUM_STREAMS = 4
"""Files, or parts of one, that go at once."""
EXIT_WRONG, EXIT_AWAY = 2, 3
"""Statuses of the program: for what people must mend, and for what may pass."""
HASH = "sha256"
"""The name of the object's own note of its content."""

ArgumentT = TypeVar("ArgumentT")
ResultT = TypeVar("ResultT")


class StoreError(Exception):
    """What is wrong, and what to do; `may_pass` where it may go well by itself later."""

    def __init__(self, sentence: str, *, may_pass: bool = False) -> None:
        super().__init__(sentence)
        self.may_pass = may_pass


@dataclass(frozen=True, kw_only=True)
class StoredFile:
    """One file of a folder."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Pushed:
    """What a push did."""

    num_files: int
    bytes_sent: int
    """Without what was there already."""


class ArtifactStore:
    """One prefix of one bucket: `s3://bucket/prefix`.

    Keys and endpoint come from where every S3 client looks for them: AWS_ACCESS_KEY_ID,
    AWS_SECRET_ACCESS_KEY, AWS_ENDPOINT_URL, AWS_DEFAULT_REGION, or ~/.aws.
    """

    def __init__(self, url: str, *, part_bytes: int = PART_BYTES) -> None:
        parts = urlsplit(url)
        if parts.scheme != "s3" or not parts.netloc:
            raise StoreError(f"ARTIFACTS must be like s3://bucket/prefix, not {url!r}.")
        self._url = url.rstrip("/")
        self._bucket = parts.netloc
        self._prefix = f"{parts.path.strip('/')}/" if parts.path.strip("/") else ""
        self._part_bytes = part_bytes
        self._files = s3fs.S3FileSystem(
            # Checksums of newer SDKs are unknown to many servers; each request has its MD5 instead.
            config_kwargs={
                "request_checksum_calculation": "when_required",
                "response_checksum_validation": "when_required",
                "max_pool_connections": 4 * NUM_STREAMS,
            },
            use_listings_cache=False,
            skip_instance_cache=True,
        )

    def has(self, content_hash: str) -> bool:
        """Whether the whole folder is there."""
        return self._sizes(f"{content_hash}.json") != {}

    def push(self, folder: Path, content_hash: str) -> Pushed:
        """Send the folder, unless it is there. Raises StoreError where it is no longer what it was."""
        files = list(_at_once(lambda name: stored_file(folder, name), content_files(folder)))
        if hash_of(files) != content_hash:
            raise StoreError(
                f"The checkpoint at {folder} is no longer what it was: its hash is not {content_hash}. Put "
                "the folder back from a backup, or train it again."
            )
        if self.has(content_hash):
            return Pushed(num_files=len(files), bytes_sent=0)
        there = self._sizes(f"{content_hash}/")
        sent = 0
        small = [file for file in files if file.size <= self._part_bytes]
        for bytes_sent in _at_once(lambda file: self._put(folder, file, content_hash, there), small):
            sent += bytes_sent
        for file in files:  # one after the other: their parts go at once
            if file.size > self._part_bytes:
                sent += self._put(folder, file, content_hash, there)
        manifest = {"content_hash": content_hash, "files": [asdict(file) for file in files]}
        body = json.dumps(manifest, indent=2).encode()
        self._ask("put_object", Key=self._key(f"{content_hash}.json"), Body=body, ContentMD5=_md5(body))
        return Pushed(num_files=len(files), bytes_sent=sent)

    def pull(self, content_hash: str, target: Path) -> None:
        """Bring the folder to `target`, which is whole or absent. Another caller of this machine waits.

        What has come lies beside the folder that `target` is in until all of it is there and right.
        """
        aside = target.parent.with_name(f"{target.parent.name}.pulling") / content_hash
        aside.mkdir(parents=True, exist_ok=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        with _alone_in(aside.parent / f".{content_hash}.lock"):
            if target.exists():
                return
            files = self._manifest(content_hash)
            for _ in _at_once(lambda file: self._get(file, content_hash, aside), files):
                pass
            aside.mkdir(exist_ok=True)
            aside.rename(target)

    def _manifest(self, content_hash: str) -> list[StoredFile]:
        if not self.has(content_hash):
            raise StoreError(
                f"{self._url} has no artifact {content_hash}: run `manage.py push_artifacts` on a machine "
                "that has the checkpoint."
            )
        body = self._body(self._key(f"{content_hash}.json"))
        try:
            told = json.loads(body)
            files = [StoredFile(**file) for file in told["files"]]
        except (ValueError, KeyError, TypeError) as error:
            raise self._damaged(f"{content_hash}.json") from error
        if hash_of(files) != content_hash or any(".." in file.name.split("/") for file in files):
            raise self._damaged(f"{content_hash}.json")
        return files

    def _put(self, folder: Path, file: StoredFile, content_hash: str, there: dict[str, int]) -> int:
        """Send one file unless it is there; the bytes sent."""
        key = self._key(f"{content_hash}/{file.name}")
        if there.get(key) == file.size and self._note(key) == file.sha256:
            return 0
        if file.size > self._part_bytes:
            return self._put_parts(folder / file.name, key, file)
        body = (folder / file.name).read_bytes()
        self._ask("put_object", Key=key, Body=body, ContentMD5=_md5(body), Metadata={HASH: file.sha256})
        return len(body)

    def _put_parts(self, path: Path, key: str, file: StoredFile) -> int:
        """Send one file in parts, and those parts alone that an earlier push has not sent."""
        upload, present = self._begun(key)
        if upload is None:
            made = self._ask("create_multipart_upload", Key=key, Metadata={HASH: file.sha256})
            upload = str(made["UploadId"])

        def send(number: int) -> tuple[dict[str, Any], int]:  # Any: what S3 calls a part
            with path.open("rb") as content:
                content.seek((number - 1) * self._part_bytes)
                body = content.read(self._part_bytes)
            if present.get(number) == (len(body), hashlib.md5(body, usedforsecurity=False).hexdigest()):
                return {"PartNumber": number, "ETag": f'"{present[number][1]}"'}, 0
            told = self._ask(
                "upload_part",
                Key=key,
                UploadId=upload,
                PartNumber=number,
                Body=body,
                ContentMD5=_md5(body),
            )
            return {"PartNumber": number, "ETag": told["ETag"]}, len(body)

        num_parts = -(-file.size // self._part_bytes)
        done = list(_at_once(send, range(1, num_parts + 1)))
        self._ask(
            "complete_multipart_upload",
            Key=key,
            UploadId=upload,
            MultipartUpload={"Parts": [part for part, _ in done]},
        )
        return sum(sent for _, sent in done)

    def _begun(self, key: str) -> tuple[str | None, dict[int, tuple[int, str]]]:
        """The upload of `key` that a killed push left behind, and its parts by number: size and MD5."""
        begun = self._ask("list_multipart_uploads", Prefix=key).get("Uploads") or []
        own = [each["UploadId"] for each in begun if each["Key"] == key]
        if not own:
            return None, {}
        present: dict[int, tuple[int, str]] = {}
        marker = 0
        while True:
            told = self._ask("list_parts", Key=key, UploadId=own[0], PartNumberMarker=marker)
            for part in told.get("Parts") or []:
                present[int(part["PartNumber"])] = (int(part["Size"]), part["ETag"].strip('"'))
            if not told.get("IsTruncated"):
                return str(own[0]), present
            marker = int(told["NextPartNumberMarker"])

    def _get(self, file: StoredFile, content_hash: str, aside: Path) -> None:
        """Bring one file, from where an earlier pull was cut off."""
        target = aside / file.name
        if target.exists():
            return  # it got its name when it was whole and right
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".{target.name}.part")
        key = self._key(f"{content_hash}/{file.name}")
        for _attempt in range(2):
            self._append(key, part, file)
            if part.stat().st_size == file.size and file_hash(part) == file.sha256:
                part.rename(target)
                return
            part.unlink()  # what lay there may have been wrong: once more, all of it
        raise self._damaged(f"{content_hash}/{file.name}")

    def _append(self, key: str, part: Path, file: StoredFile) -> None:
        with part.open("ab") as out:
            while (have := out.tell()) < file.size:
                end = min(have + self._part_bytes, file.size)
                try:
                    body = self._body(key, Range=f"bytes={have}-{end - 1}")
                except FileNotFoundError:
                    return
                if not body:
                    return
                out.write(body)
                out.flush()

    def _sizes(self, name: str) -> dict[str, int]:
        """The objects whose keys begin so, with their sizes."""
        found: dict[str, int] = {}
        about: dict[str, Any] = {"Prefix": self._key(name)}  # Any: S3's parameters
        while True:
            told = self._ask("list_objects_v2", **about)
            found |= {str(each["Key"]): int(each["Size"]) for each in told.get("Contents") or []}
            if not told.get("IsTruncated"):
                return found
            about["ContinuationToken"] = told["NextContinuationToken"]

    def _note(self, key: str) -> str:
        """What the object says of its content."""
        return str((self._ask("head_object", Key=key).get("Metadata") or {}).get(HASH, ""))

    def _body(self, key: str, **about: str) -> bytes:
        told = self._ask("get_object", Key=key, **about)

        async def read() -> bytes:
            async with told["Body"] as body:
                content: bytes = await body.read()
                return content

        try:
            return bytes(s3fs.core.sync(self._files.loop, read))
        except (BotoCoreError, OSError) as error:
            raise self._away(error) from error

    def _ask(self, what: str, **about: Any) -> Any:  # Any: S3's
        try:
            return self._files.call_s3(what, Bucket=self._bucket, **about)
        except FileNotFoundError as error:
            if "bucket" in str(error).lower():
                raise StoreError(f"There is no bucket {self._bucket}: make it, or mend ARTIFACTS.") from error
            raise
        except PermissionError as error:
            raise StoreError(
                f"{self._url} may not be used ({error}): set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY of "
                "an account that may list, read and write there."
            ) from error
        except (BotoCoreError, ClientError, OSError) as error:
            raise self._away(error) from error

    def _away(self, error: Exception) -> StoreError:
        return StoreError(
            f"{self._url} gave no answer ({error}): look after the storage and AWS_ENDPOINT_URL.",
            may_pass=True,
        )

    def _damaged(self, name: str) -> StoreError:
        return StoreError(
            f"{self._url}/{name} is damaged: delete it and its artifact's .json there, and run "
            "`manage.py push_artifacts` on a machine that has the checkpoint."
        )

    def _key(self, name: str) -> str:
        return f"{self._prefix}{name}"


def stored_file(folder: Path, name: str) -> StoredFile:
    """One file of a folder, with its hash."""
    path = folder / name
    return StoredFile(name=name, size=path.stat().st_size, sha256=file_hash(path))


def file_hash(path: Path) -> str:
    """SHA-256 of the content."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def hash_of(files: Sequence[StoredFile]) -> str:
    """The folder's hash, as `registry.content.folder_hash` has it."""
    digest = hashlib.sha256()
    for file in sorted(files, key=lambda each: each.name):
        digest.update(f"{file.name}\0{file.sha256}\n".encode())
    return digest.hexdigest()


def _at_once(
    function: Callable[[ArgumentT], ResultT], arguments: Sequence[ArgumentT] | range
) -> Iterator[ResultT]:
    """The results in the arguments' order; the first error ends what has not begun."""
    with ThreadPoolExecutor(NUM_STREAMS) as pool:
        begun = [pool.submit(function, argument) for argument in arguments]  # type: ignore[arg-type]
        try:
            for each in begun:
                yield each.result()
        finally:
            for each in begun:
                each.cancel()


def _md5(body: bytes) -> str:
    return b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()


@contextmanager
def _alone_in(path: Path) -> Iterator[None]:
    """Hold a lock that the kernel takes back when this process dies."""
    handle = os.open(path, os.O_CREAT | os.O_RDWR, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def main(arguments: Sequence[str]) -> int:
    """The program; its exit status. What is wrong is said on standard error."""
    what, url, folder, content_hash = arguments
    try:
        store = ArtifactStore(url)
        if what == "push":
            store.push(Path(folder), content_hash)
        else:
            store.pull(content_hash, Path(folder))
    except StoreError as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_AWAY if error.may_pass else EXIT_WRONG
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
