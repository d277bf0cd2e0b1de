"""Artifacts in a real S3 server: sent once, whole or absent, gone on with after kills, told when damaged."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import s3fs

from registry.artifact_store import ArtifactStore, StoreError, file_hash
from registry.content import content_files, folder_hash
from tests.ops.swift_server import ACCESS_KEY, BUCKET, SECRET_KEY

pytestmark = pytest.mark.ops

PART = 5 << 20
"""The smallest that S3 takes."""
SLOW = """
import sys, time
from pathlib import Path
from registry import artifact_store
from registry.artifact_store import ArtifactStore
artifact_store.NUM_STREAMS = 1
store = ArtifactStore(sys.argv[1], part_bytes=5 << 20)
asked = ArtifactStore._ask
def slowly(self, what, **about):
    told = asked(self, what, **about)
    if what in ("upload_part", "get_object"):
        print(what, flush=True)
        time.sleep(0.3)
    return told
ArtifactStore._ask = slowly
if sys.argv[2] == "push":
    store.push(Path(sys.argv[3]), sys.argv[4])
else:
    store.pull(sys.argv[4], Path(sys.argv[3]))
"""


@pytest.fixture(autouse=True)
def keys(swift: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a deployment would set them."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    monkeypatch.setenv("AWS_ENDPOINT_URL", swift)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")


@pytest.fixture
def url(request: pytest.FixtureRequest) -> str:
    """A prefix of this test's own."""
    return f"s3://{BUCKET}/{request.node.name[:40]}/{os.getpid()}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model folder: small files, one in a folder below, and one of four parts."""
    made = tmp_path / "model"
    (made / "tokenizer").mkdir(parents=True)
    (made / "config.json").write_text("{}")
    (made / "tokenizer" / "tokenizer.json").write_text('{"words": 3}')
    (made / "empty.txt").touch()
    (made / "model.safetensors").write_bytes(os.urandom(3 * PART + 1000))
    return made


def bucket() -> Any:  # Any: s3fs
    """What anybody else sees of the bucket."""
    return s3fs.S3FileSystem(skip_instance_cache=True, use_listings_cache=False)


def killed_midway(url: str, what: str, folder: Path, content_hash: str) -> None:
    """A push or pull that is killed with -9 after its second part."""
    command = [sys.executable, "-c", SLOW, url, what, str(folder), content_hash]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    told = "upload_part" if what == "push" else "get_object"
    num_parts = 0
    for line in process.stdout:
        num_parts += line.strip() == told
        # A pull asks for the manifest and the small files first.
        if num_parts == (2 if what == "push" else 5):
            break
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    process.stdout.close()


def test_a_folder_comes_back_as_it_was_and_is_sent_once(folder: Path, url: str, tmp_path: Path) -> None:
    store = ArtifactStore(url, part_bytes=PART)
    content_hash = folder_hash(folder)
    assert not store.has(content_hash)
    pushed = store.push(folder, content_hash)
    size = sum((folder / name).stat().st_size for name in content_files(folder))
    assert (pushed.num_files, pushed.bytes_sent) == (4, size)
    assert store.push(folder, content_hash).bytes_sent == 0
    target = tmp_path / "cache" / content_hash
    store.pull(content_hash, target)
    assert folder_hash(target) == content_hash
    store.pull(content_hash, target)
    assert [path.name for path in target.parent.iterdir()] == [content_hash]
    # Anybody can read the files by their own names.
    assert bucket().cat_file(f"{url}/{content_hash}/config.json") == b"{}"


def test_a_push_that_is_killed_shows_nothing_and_the_next_one_sends_the_rest(folder: Path, url: str) -> None:
    content_hash = folder_hash(folder)
    killed_midway(url, "push", folder, content_hash)
    store = ArtifactStore(url, part_bytes=PART)
    assert not store.has(content_hash)
    pushed = store.push(folder, content_hash)
    size = (folder / "model.safetensors").stat().st_size
    assert pushed.bytes_sent in (size - 2 * PART, size - 3 * PART), "two or three parts had come"
    assert store.has(content_hash)
    left = bucket().call_s3(
        "list_multipart_uploads", Bucket=BUCKET, Prefix=url.removeprefix(f"s3://{BUCKET}/")
    )
    assert not left.get("Uploads")


def test_a_pull_that_is_killed_leaves_nothing_under_the_name_and_the_next_one_goes_on(
    folder: Path, url: str, tmp_path: Path
) -> None:
    content_hash = folder_hash(folder)
    store = ArtifactStore(url, part_bytes=PART)
    store.push(folder, content_hash)
    target = tmp_path / "cache" / content_hash
    killed_midway(url, "pull", target, content_hash)
    assert not target.exists()
    aside = tmp_path / "cache.pulling" / content_hash
    part = aside / ".model.safetensors.part"
    before = part.stat().st_size
    assert 0 < before < (folder / "model.safetensors").stat().st_size
    asked: list[str] = []
    ask = store._ask

    def counted(what: str, **about: Any) -> Any:  # Any: S3's
        if about.get("Key", "").endswith("model.safetensors"):
            asked.append(str(about.get("Range")))
        return ask(what, **about)

    store._ask = counted  # type: ignore[method-assign]
    store.pull(content_hash, target)
    assert folder_hash(target) == content_hash
    assert asked[0].startswith(f"bytes={before}-")
    assert not aside.exists()


def test_what_a_killed_pull_left_wrong_is_fetched_anew(folder: Path, url: str, tmp_path: Path) -> None:
    content_hash = folder_hash(folder)
    store = ArtifactStore(url, part_bytes=PART)
    store.push(folder, content_hash)
    aside = tmp_path / "cache.pulling" / content_hash
    aside.mkdir(parents=True)
    (aside / ".model.safetensors.part").write_bytes(b"\0" * PART)
    store.pull(content_hash, tmp_path / "cache" / content_hash)
    assert folder_hash(tmp_path / "cache" / content_hash) == content_hash


def test_damage_in_the_storage_is_told_and_nothing_of_it_gets_a_name(
    folder: Path, url: str, tmp_path: Path
) -> None:
    content_hash = folder_hash(folder)
    store = ArtifactStore(url, part_bytes=PART)
    store.push(folder, content_hash)
    target = tmp_path / "cache" / content_hash
    bucket().pipe_file(f"{url}/{content_hash}/config.json", b"{]")
    with pytest.raises(StoreError, match=r"config\.json is damaged: delete it .* push_artifacts"):
        store.pull(content_hash, target)
    bucket().rm_file(f"{url}/{content_hash}/config.json")
    with pytest.raises(StoreError, match=r"config\.json is damaged"):
        store.pull(content_hash, target)
    bucket().pipe_file(f"{url}/{content_hash}.json", b'{"files": []}')
    with pytest.raises(StoreError, match=r"\.json is damaged"):
        store.pull(content_hash, target)
    assert not target.exists()


def test_an_object_that_another_wrote_under_the_name_is_sent_again(folder: Path, url: str) -> None:
    content_hash = folder_hash(folder)
    bucket().pipe_file(f"{url}/{content_hash}/config.json", b"[]")
    store = ArtifactStore(url, part_bytes=PART)
    store.push(folder, content_hash)
    assert bucket().cat_file(f"{url}/{content_hash}/config.json") == b"{}"


def test_what_cannot_be_is_refused_with_a_sentence(
    folder: Path, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ArtifactStore(url, part_bytes=PART)
    with pytest.raises(StoreError, match=r"has no artifact 00: run `manage\.py push_artifacts`"):
        store.pull("00", tmp_path / "cache" / "00")
    with pytest.raises(StoreError, match="is no longer what it was"):
        store.push(folder, "00")
    with pytest.raises(StoreError, match="ARTIFACTS must be like s3://bucket/prefix"):
        ArtifactStore("/var/artifacts")
    with pytest.raises(StoreError, match="There is no bucket absent: make it"):
        ArtifactStore("s3://absent/x").has("00")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(StoreError, match=r"may not be used .* set AWS_ACCESS_KEY_ID"):
        ArtifactStore(url).has("00")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(StoreError, match="gave no answer") as told:
        ArtifactStore(url).has("00")
    assert told.value.may_pass


def test_two_pulls_of_one_machine_fetch_it_once(folder: Path, url: str, tmp_path: Path) -> None:
    content_hash = folder_hash(folder)
    ArtifactStore(url, part_bytes=PART).push(folder, content_hash)
    target = tmp_path / "cache" / content_hash
    command = [sys.executable, "-c", SLOW, url, "pull", str(target), content_hash]
    pulls = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    began = time.monotonic()
    counts = sorted(pull.communicate(timeout=60)[0].count("get_object") for pull in pulls)
    assert [pull.returncode for pull in pulls] == [0, 0], time.monotonic() - began
    assert counts[0] == 0
    assert file_hash(target / "model.safetensors") == file_hash(folder / "model.safetensors")
