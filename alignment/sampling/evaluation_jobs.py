"""An evaluation's jobs, and the file in which what came of each is written down at once.

A program that was killed finds there what it had done. The jobs are named by a hash of what they ask, so that
what is found belongs to them. No torch, no vLLM.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from alignment.divergence import AnswerLogRatio
from alignment.programs import EvaluationConfig
from alignment.records import PromptRecord, SampledAnswer
from annotation.records import PreferenceRecord

JOURNAL = "jobs.jsonl"


@dataclass(frozen=True, kw_only=True)
class AnswerJob:
    """Prompts for one policy."""

    policy: str
    prompts: Sequence[PromptRecord]


@dataclass(frozen=True, kw_only=True)
class AccuracyJob:
    """Held-out records for the reward model."""

    records: Sequence[PreferenceRecord]


@dataclass(frozen=True, kw_only=True)
class DivergenceJob:
    """Prompts for the first policy, whose answers are shown to the references."""

    prompts: Sequence[PromptRecord]


Job = AnswerJob | AccuracyJob | DivergenceJob


@dataclass(frozen=True, kw_only=True)
class Report:
    """What came of a job."""

    answers: Sequence[SampledAnswer] = ()
    num_tokens: Sequence[int] = ()
    """Of each answer."""
    margins: Sequence[tuple[str, float]] = ()
    log_ratios: Sequence[AnswerLogRatio] = ()
    num_prompts: int = 0


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A line of the journal."""

    job: str
    report: Report


def job_key(config: EvaluationConfig, job: Job) -> str:
    """A hash of what a job asks, and of whom."""
    asked = TypeAdapter(type(job)).dump_json(job)
    whole = [config.model_dump_json().encode(), type(job).__name__.encode(), asked]
    return hashlib.sha256(b"\n".join(whole)).hexdigest()[:32]


class Journal:
    """What came of the jobs that are done, by their number."""

    def __init__(self, path: Path, keys: Sequence[str]) -> None:
        """Read what an earlier run left; a line that a kill cut off is passed over."""
        self._path = path
        self._keys = keys
        self._entries = TypeAdapter(Entry)
        self.reports: dict[int, Report] = {}
        numbers = {key: number for number, key in enumerate(keys)}
        if not path.exists():
            return
        for line in path.read_bytes().splitlines():
            try:
                entry = self._entries.validate_json(line)
            except ValidationError:
                continue
            if entry.job in numbers:
                self.reports[numbers[entry.job]] = entry.report
        if not path.read_bytes().endswith(b"\n"):
            with path.open("ab") as lines:
                lines.write(b"\n")

    def add(self, number: int, report: Report) -> None:
        """Take in and write down what came of a job."""
        self.reports[number] = report
        line = self._entries.dump_json(Entry(job=self._keys[number], report=report)) + b"\n"
        with self._path.open("ab") as lines:
            lines.write(line)

    def discard(self) -> None:
        """Remove the file: for a program whose outputs are complete."""
        self._path.unlink(missing_ok=True)
