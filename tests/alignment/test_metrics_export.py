"""A run's numbers reach TensorBoard's files and trackers: all of them, once, also after a crash."""

import importlib
import importlib.util
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from accounts.errors import Invalid
from alignment.metrics_export.exporting import EVENTS, metrics_export, tensorboard_export
from alignment.metrics_export.rows import Row
from alignment.metrics_export.tensorboard import crc32c
from alignment.metrics_export.trackers import Mlflow, WeightsAndBiases
from pretrain.run import RunFolder
from tests.alignment.factories import make_program

Scalar = tuple[int, str, float]


@dataclass
class Notebook:
    """A tracker that remembers; `broken` ones fail."""

    name: str = "notebook"
    broken: bool = False
    rows: list[tuple[str, int, dict[str, float]]] = field(default_factory=list)

    def log(self, run: str, key: str, tags: Mapping[str, str], rows: Sequence[Row]) -> str:
        """Remember them."""
        if self.broken:
            raise ConnectionError("no network")
        self.rows += [(key, row.step, row.values) for row in rows]
        return "run-1"


def records(path: Path) -> Iterator[bytes]:
    """The contents of a file of records, their checksums looked at."""
    data = path.read_bytes()
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        for start, end in ((0, 8), (12, 12 + length)):
            (found,) = struct.unpack("<I", data[end : end + 4])
            crc = crc32c(data[start:end])
            assert found == ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
        yield data[12 : 12 + length]
        data = data[16 + length :]


def fields(content: bytes) -> Iterator[tuple[int, bytes | int]]:
    """The fields of a protocol buffer: number and value."""

    def varint() -> int:
        nonlocal content
        number = shift = 0
        while True:
            byte, content = content[0], content[1:]
            number |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return number

    while content:
        key = varint()
        if key & 7 == 0:
            yield key >> 3, varint()
            continue
        size = {1: 8, 5: 4}.get(key & 7) or varint()
        yield key >> 3, content[:size]
        content = content[size:]


def scalars(path: Path) -> list[Scalar]:
    """Step, tag and value of everything in the file."""
    found: list[Scalar] = []
    for number, content in enumerate(records(path)):
        event = dict(fields(content))
        if number == 0:
            assert event[3] == b"brain.Event:2"
            continue
        summary, step = event[5], event[2]
        assert isinstance(summary, bytes) and isinstance(step, int)
        for _, value in fields(summary):
            assert isinstance(value, bytes)
            told = dict(fields(value))
            assert isinstance(told[1], bytes) and isinstance(told[2], bytes)
            found.append((step, told[1].decode(), round(struct.unpack("<f", told[2])[0], 4)))
    return found


def test_the_checksum_is_the_one_of_the_standard() -> None:
    assert crc32c(b"123456789") == 0xE3069283  # RFC 3720, B.4


def test_scalars_are_appended_once_and_what_a_crash_left_is_cut_off(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    events = tmp_path / "tensorboard" / EVENTS
    assert tensorboard_export(folder) == 0
    folder.metrics(1, loss=0.5, accuracy=0.25)
    folder.metrics(300, loss=float("nan"), note="text")
    folder.progress(1, 2, "steps")
    assert tensorboard_export(folder) == 2
    assert tensorboard_export(folder) == 0
    first = [(1, "accuracy", 0.25), (1, "loss", 0.5)]
    assert scalars(events) == first

    with events.open("ab") as file:
        file.write(b"half a record")
    with folder.metrics_path.open("a") as lines:
        lines.write('{"kind": "metrics", "step": 2')
    assert tensorboard_export(folder) == 0, "half a row waits for its rest"
    with folder.metrics_path.open("a") as lines:
        lines.write(', "loss": 0.125}\n')
    assert tensorboard_export(folder) == 1
    assert scalars(events) == [*first, (2, "loss", 0.125)]


@pytest.mark.django_db
def test_a_tracker_gets_every_row_once_however_often_it_is_away(tmp_path: Path) -> None:
    program = make_program(tmp_path, "finish")
    folder = RunFolder(tmp_path)
    notebook = Notebook(broken=True)
    folder.metrics(1, loss=0.5)
    assert metrics_export(program, [notebook]) == 1
    assert notebook.rows == []
    notebook.broken = False
    folder.metrics(2, loss=0.25)
    for _ in range(2):
        metrics_export(program, [notebook])
    folder.metrics(3, loss=0.125)
    metrics_export(program, [notebook])
    assert notebook.rows == [("", 1, {"loss": 0.5}), ("", 2, {"loss": 0.25}), ("run-1", 3, {"loss": 0.125})]


@pytest.mark.django_db
def test_the_command_exports_what_ran(tmp_path: Path) -> None:
    program = make_program(tmp_path, "finish")
    RunFolder(tmp_path).metrics(1, loss=0.5)
    out = StringIO()
    assert program.stage is not None
    call_command("export_metrics", project=program.stage.round.project.slug, stdout=out)
    assert out.getvalue() == "1 new rows of 1 programs, for TensorBoard.\n"
    with pytest.raises(CommandError, match="No program has run there"):
        call_command("export_metrics", project="nothing")


@pytest.mark.skipif(importlib.util.find_spec("wandb") is not None, reason="wandb is there")
def test_a_client_that_is_not_installed_is_named(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="pip install wandb"):
        WeightsAndBiases(project="p", folder=tmp_path).log("run", "", {}, [])


def test_mlflow_keeps_runs_and_numbers(tmp_path: Path) -> None:
    if importlib.util.find_spec("mlflow") is None:
        with pytest.raises(Invalid, match="pip install mlflow"):
            Mlflow(uri="http://127.0.0.1:9").log("run", "", {}, [])
        return
    mlflow = importlib.import_module("mlflow")

    tracker = Mlflow(uri=f"sqlite:///{tmp_path}/mlflow.db")
    key = tracker.log("a run", "", {"stage": "dpo"}, [Row(time=1.0, step=1, values={"loss": 0.5})])
    assert tracker.log("a run", key, {}, [Row(time=2.0, step=2, values={"loss": 0.25})]) == key
    client = mlflow.MlflowClient(tracking_uri=tracker.uri)
    assert [(each.step, each.value) for each in client.get_metric_history(key, "loss")] == [
        (1, 0.5),
        (2, 0.25),
    ]
    assert client.get_run(key).data.tags["stage"] == "dpo"
