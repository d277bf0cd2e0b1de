"""Where two models answered the same held-out prompts: rounds' evaluations, and comparisons asked for.

Reads only: rows, and the files that the evaluation program left.
"""

import json
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from django.db.models import Q

from alignment.models import GatePair, ModelComparison, Program, Round, Stage
from alignment.records import PromptRecord, SampledAnswer
from alignment.side_by_side import Answers, Figures, by_domain, compared
from alignment.win_rate import win_rate
from annotation.records import read_records
from registry.models import Checkpoint

MAX_ROUNDS = 30
"""Of the newest whose files are looked at."""
KEPT = 64
"""Sets of answers whose figures a process keeps in memory; of their texts it keeps none."""
CANDIDATE = "candidate"
_UNKNOWN = "a reward model that is not in the registry"


@dataclass(frozen=True, kw_only=True)
class Source:
    """One set of answers to the same prompts by both models."""

    key: str
    """Names it in an address: round-5, or asked-3."""
    round: Round | None
    comparison: ModelComparison | None
    reward_model: str
    answers: Path
    prompts: Path
    first: str
    """The first model's name in the file."""
    second: str


@dataclass(frozen=True, kw_only=True)
class Sampled:
    """What both models answered."""

    prompts: list[PromptRecord]
    first: Answers
    second: Answers
    read_as: "Reading"

    @cached_property
    def domains(self) -> dict[str, str]:
        """Each prompt's."""
        return {prompt.id: prompt.domain for prompt in self.prompts}

    @property
    def figures(self) -> Figures:
        """Who wins where (`side_by_side.compared`). Raises ValueError where both answered no prompt.

        Counted once for each state of the files: who turns the pages of a comparison does not wait for it.
        """
        figures = _figures.get(self.read_as)
        if figures is None:
            figures = _figures[self.read_as] = compared(self.first, self.second, self.domains)
            for oldest in list(_figures)[:-KEPT]:
                _figures.pop(oldest, None)
        return figures


Reading = tuple[Path, Path, str, str, tuple[int, int]]
"""Two files, two models' names in them, and when the files changed."""
_figures: dict[Reading, Figures] = {}


def asked_both(first: Checkpoint, second: Checkpoint) -> list[ModelComparison]:
    """Every comparison of the two that somebody asked for, newest first."""
    related = ("program", "reward_model", "project", "first", "second")
    return list(
        ModelComparison.objects.select_related(*related).filter(
            Q(first=first, second=second) | Q(first=second, second=first)
        )
    )


def sources(
    first: Checkpoint, second: Checkpoint, asked: list[ModelComparison], made_by: Collection[int]
) -> list[Source]:
    """Where both answered, newest first: what somebody `asked` for, then rounds.

    `made_by` are the ids of the rounds that made them. Three statements.
    """
    ended = [each for each in asked if each.program.state == Program.State.FINISHED]
    found = [_asked_source(each, first) for each in ended]
    return [each for each in found if each.answers.exists()] + _round_sources(first, second, made_by)


def unfinished(asked: list[ModelComparison]) -> list[ModelComparison]:
    """Those that are under way or failed."""
    return [each for each in asked if each.program.state != Program.State.FINISHED]


def sampled(source: Source) -> Sampled:
    """The answers of both, by prompt, as the files have them now: erased texts are nowhere else."""
    changed = source.answers.stat().st_mtime_ns, source.prompts.stat().st_mtime_ns
    answers: dict[str, dict[str, list[SampledAnswer]]] = {source.first: {}, source.second: {}}
    for answer in read_records(source.answers, SampledAnswer):
        if answer.policy in answers:
            answers[answer.policy].setdefault(answer.prompt_id, []).append(answer)
    return Sampled(
        prompts=list(read_records(source.prompts, PromptRecord)),
        first=answers[source.first],
        second=answers[source.second],
        read_as=(source.answers, source.prompts, source.first, source.second, changed),
    )


def people_figures(source: Source, domains: dict[str, str]) -> Figures | None:
    """How often the first won by people who compared blind at the round's gate; None where nobody did."""
    if source.round is None or CANDIDATE not in (source.first, source.second):
        return None
    other = source.second if source.first == CANDIDATE else source.first
    pairs = GatePair.objects.filter(stage__round=source.round, other=other).exclude(verdict="")
    outcomes = {
        pair.prompt_id: [pair.outcome if source.first == CANDIDATE else 1 - pair.outcome]
        for pair in pairs.defer("context")
    }
    if not outcomes:
        return None
    return {"overall": win_rate(outcomes), "by_domain": by_domain(outcomes, domains)}


def _asked_source(comparison: ModelComparison, first: Checkpoint) -> Source:
    folder = Path(comparison.program.folder).parent
    names = ("first", "second") if comparison.first_id == first.pk else ("second", "first")
    return Source(
        key=f"asked-{comparison.pk}",
        round=None,
        comparison=comparison,
        reward_model=comparison.reward_model.name,
        answers=folder / "answers.jsonl",
        prompts=folder / "prompts.jsonl",
        first=names[0],
        second=names[1],
    )


def _round_sources(first: Checkpoint, second: Checkpoint, made_by: Collection[int]) -> list[Source]:
    """Rounds whose evaluation asked both: it asks the round's policy, the one before, and the base."""
    models = {first.pk, second.pk}
    stages = Stage.objects.filter(name=Stage.Name.EVALUATION, state=Stage.State.FINISHED).filter(
        Q(round__base__in=models) | Q(round__in=made_by)
    )
    found = []
    scorers = dict(Checkpoint.objects.filter(kind=Checkpoint.Kind.REWARD_MODEL).values_list("path", "name"))
    newest = stages.select_related("round__project").prefetch_related("programs").order_by("-pk")
    for stage in newest[:MAX_ROUNDS]:
        config = _evaluation_config(stage)
        names = {str(path): name for name, path in config.get("policies", {}).items()}
        if first.path not in names or second.path not in names or first.path == second.path:
            continue
        source = Source(
            key=f"round-{stage.round_id}",
            round=stage.round,
            comparison=None,
            reward_model=scorers.get(config.get("reward_model", ""), _UNKNOWN),
            answers=Path(config["answers"]),
            prompts=Path(config["prompts"]),
            first=names[first.path],
            second=names[second.path],
        )
        if source.answers.exists() and source.prompts.exists():
            found.append(source)
    return found


def _evaluation_config(stage: Stage) -> dict[str, Any]:  # Any: JSON
    """What the evaluation's program was told; nothing where its folder was cleared away."""
    for program in stage.programs.all():
        path = Path(program.folder) / "run.json"
        if program.name == "answers" and path.exists():
            config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            return config
    return {}
