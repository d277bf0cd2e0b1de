"""The run folder: how a program is told what to do and how it tells what it did.

A run folder holds `run.json` (the program's whole configuration, written by whoever starts it),
`metrics.jsonl` (appended: metrics, progress, samples), checkpoints, and last `result.json`, written
aside and renamed so that it is complete or absent. A program that cannot go on writes `error.json`
with one sentence. Everything here is plain files: no torch, no database. What is being written has a name
that begins with a dot and ends in `.writing`.
"""

import atexit
import json
import os
import secrets
import shutil
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from pretrain.failures import Failure, explain
from pretrain.failures import ProgramError as ProgramError

ConfigT = TypeVar("ConfigT", bound="ProgramConfig")

EXIT_USER_ERROR = 2
EXIT_TERMINATED = 128 + signal.SIGTERM
CHECKPOINTS = "checkpoint-*.pt"
"""What a training goes on from (pretrain.checkpoints): files that are never written again."""
MOST_WRITES = 5
LEFTOVERS = (".*.writing", ".*.old", ".tmp??????")
"""What a kill may leave behind in a run folder; the last is safetensors'."""


class ProgramConfig(BaseModel):
    """The base of every program's configuration: frozen, and unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class RunFolder:
    """One run folder. Safe to open again after a crash: metrics are appended, never rewritten."""

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self.path.mkdir(parents=True, exist_ok=True)

    @property
    def config_path(self) -> Path:
        return self.path / "run.json"

    @property
    def metrics_path(self) -> Path:
        return self.path / "metrics.jsonl"

    @property
    def result_path(self) -> Path:
        return self.path / "result.json"

    @property
    def error_path(self) -> Path:
        return self.path / "error.json"

    def write_config(self, config: ProgramConfig) -> None:
        """Write `run.json`, so that the program can also be started by hand."""
        write_atomically(self.config_path, config.model_dump_json(indent=2))

    def metrics(self, step: int, **values: float | int | str | None) -> None:
        """Append one row of numbers for `step`."""
        self._append({"kind": "metrics", "step": step, **values})

    def progress(self, done: int, total: int, unit: str) -> None:
        """Say how far the program is: `done` of `total` in `unit` ("steps", "prompts")."""
        self._append({"kind": "progress", "done": done, "total": total, "unit": unit})

    def sample(self, prompt: str, response: str, **values: float | int | str | None) -> None:
        """Append one sampled answer, for people to read while the program runs."""
        self._append({"kind": "sample", "prompt": prompt, "response": response, **values})

    def finish(self, result: dict[str, Any]) -> None:  # Any: each program has its own result
        """Write `result.json`: the run is over and its outputs are complete."""
        write_atomically(self.result_path, json.dumps(result, indent=2, sort_keys=True))

    def warn(self, sentence: str) -> None:
        """Say what people should look at, although the program goes on: in the metrics and in the log."""
        sys.stderr.write(f"{sentence}\n")
        self._append({"kind": "warning", "warning": sentence})

    def fail(self, sentence: str, *, may_pass: bool = False) -> None:
        """Write `error.json`: the run cannot go on, why, and whether it may when it is started again.

        The first sentence stays: what follows in other processes of the run is a consequence of it.
        """
        if not self.error_path.exists():
            write_atomically(self.error_path, json.dumps({"error": sentence, "may_pass": may_pass}))

    def read_result(self) -> dict[str, Any] | None:  # Any: each program has its own result
        """The result, or None while there is none."""
        if not self.result_path.exists():
            return None
        result: dict[str, Any] = json.loads(self.result_path.read_text())
        return result

    def read_error(self) -> str | None:
        """The sentence of `error.json`, or None."""
        failure = self.read_failure()
        return None if failure is None else failure.sentence

    def read_failure(self) -> Failure | None:
        """What `error.json` says, or None where there is none."""
        if not self.error_path.exists():
            return None
        told = json.loads(self.error_path.read_text())
        return Failure(sentence=str(told["error"]), may_pass=bool(told.get("may_pass", False)))

    def tidy(self) -> None:
        """Clear away what a killed program left half written. Only while no program runs in the folder."""
        for pattern in LEFTOVERS:
            for leftover in list(self.path.rglob(pattern)):
                if leftover.is_dir():
                    shutil.rmtree(leftover, ignore_errors=True)
                else:
                    leftover.unlink(missing_ok=True)
        if self.metrics_path.exists() and not ends_line(self.metrics_path):
            with self.metrics_path.open("a") as lines:
                lines.write("\n")

    def read_metrics(self, kind: str | None = None) -> Iterator[dict[str, Any]]:  # Any: JSON rows
        """Rows of `metrics.jsonl`, oldest first; a line cut off by a crash is passed over.

        Of the kind "metrics" there is one row for each step: where a resumed program did a step again, it
        has the newest values.
        """
        if kind != "metrics":
            yield from self._rows(kind)
            return
        by_step: dict[int, dict[str, Any]] = {}  # Any: JSON rows
        for row in self._rows(kind):
            by_step[row["step"]] = {**by_step.get(row["step"], {}), **row}
        yield from (by_step[step] for step in sorted(by_step))

    def _rows(self, kind: str | None) -> Iterator[dict[str, Any]]:  # Any: JSON rows
        if not self.metrics_path.exists():
            return
        with self.metrics_path.open(encoding="utf-8") as lines:
            for line in lines:
                try:
                    row = json.loads(line)
                except json.JSONDecodeError:
                    continue
                if kind is None or row.get("kind") == kind:
                    yield row

    def _append(self, row: dict[str, Any]) -> None:  # Any: JSON rows
        line = json.dumps({"time": round(time.time(), 3), **row}, ensure_ascii=False) + "\n"
        with self.metrics_path.open("a", encoding="utf-8") as lines:
            lines.write(line)


class Onlooker(RunFolder):
    """The run folder for all processes of a training but the first: what they tell it is dropped."""

    def finish(self, result: dict[str, Any]) -> None:  # Any: each program has its own result
        """Leave the result to the first process."""

    def _append(self, row: dict[str, Any]) -> None:  # Any: JSON rows
        """Leave metrics, progress and samples to the first process."""


def write_atomically(path: Path, text: str) -> None:
    """Write `text` so that `path` holds all of it or what it held before, also after a power cut.

    A program that begins on another machine tidies its run folder, also of what we are just writing there:
    then it is written once more.
    """
    for tries_left in reversed(range(MOST_WRITES)):
        # A name of its own: another thread, or a process of another machine, may write the same file.
        aside = path.with_name(f".{path.name}.{secrets.token_hex(6)}.writing")
        try:
            with aside.open("w", encoding="utf-8") as out:
                out.write(text)
                out.flush()
                os.fsync(out.fileno())
            aside.replace(path)
            break
        except FileNotFoundError:
            if not tries_left or not path.parent.is_dir():
                raise
        finally:
            aside.unlink(missing_ok=True)
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Wait until the names in the folder are on disk: a renamed file has its new one after a power cut."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def ends_line(path: Path) -> bool:
    """Whether the file is empty or ends with a whole line."""
    with path.open("rb") as content:
        if content.seek(0, os.SEEK_END) == 0:
            return True
        content.seek(-1, os.SEEK_END)
        return content.read(1) == b"\n"


def load_config(path: Path, config_type: type[ConfigT]) -> ConfigT:
    """Read and check a `run.json`. Raises ProgramError with the first problem in words."""
    try:
        return config_type.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ProgramError(f"There is no {path}: give the path of a run.json.") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ProgramError(f"{path.name}: {where}: {first['msg']}") from error


def program_command(module: str, folder: RunFolder) -> list[str]:
    """How a program is started: by torch's launcher where its `run.json` asks for several processes."""
    num_processes = json.loads(folder.config_path.read_text()).get("num_processes", 1)
    program = ["-m", module, str(folder.config_path)]
    if num_processes == 1:
        return [sys.executable, *program]
    return [
        *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--local-addr", "127.0.0.1"),
        *("--nproc-per-node", str(num_processes)),
        *program,
    ]


def program_main(config_type: type[ConfigT], run: Callable[[ConfigT, RunFolder], None]) -> None:
    """The body of `python -m PROGRAM run.json`: load, run, and leave a result or an error behind.

    Exits with 0, with 2 for what a user can mend (ProgramError), with 1 for anything else, and with 143 when
    it is told to stop: `finally` blocks clear away what was half done.
    """
    if len(sys.argv) != 2:
        sys.exit("usage: python -m PROGRAM path/to/run.json")
    config_path = Path(sys.argv[1])
    folder = RunFolder(config_path.parent)
    folder.error_path.unlink(missing_ok=True)
    with stopped_by_sigterm():
        try:
            run(load_config(config_path, config_type), folder)
        except Exception as error:  # noqa: BLE001  # the outermost frame: whoever follows reads why
            failure = explain(error)
            if not isinstance(error, ProgramError):
                traceback.print_exc()
            sys.stderr.write(f"{failure.sentence}\n")
            try:
                folder.fail(failure.sentence, may_pass=failure.may_pass)
            except OSError as full:  # the disk, most likely; the log has the sentence
                sys.stderr.write(f"{folder.error_path} could not be written: {full}.\n")
            sys.exit(EXIT_USER_ERROR if isinstance(error, ProgramError) else 1)
    leave()


def leave() -> NoReturn:
    """End with status 0 without taking the interpreter apart: with torch in it that is most of a second."""
    atexit._run_exitfuncs()  # what others wanted done at the end
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(0)


@contextmanager
def stopped_by_sigterm() -> Iterator[None]:
    """Let SIGTERM end the block as `sys.exit` does, so that it clears up behind itself.

    Outside the main thread nothing can be told by a signal.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(_signal: int, _frame: FrameType | None) -> None:
        sys.exit(EXIT_TERMINATED)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
