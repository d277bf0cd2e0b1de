"""A round's answers out, somebody's scores of them in: how anybody outside can judge a finished evaluation.

Comes in: a round whose evaluation has ended, a file of OutsideScores. Goes out: its answers as
AnswersToScore, and the outside report that the scores make, kept with the evaluation. Training never reads
it.
"""

from collections.abc import Iterator
from pathlib import Path

from django.db import transaction
from pydantic import ValidationError

from accounts.errors import Conflict, Invalid
from accounts.models import User
from accounts.services import audit_record
from alignment.models import Round, Stage
from alignment.outside import (
    SAMPLED,
    AnswerToScore,
    OutsideScore,
    Report,
    ScoreKey,
    scored_best_of_k,
    scored_win_rates,
)
from alignment.records import CandidateSet, PromptRecord, SampledAnswer
from alignment.stages.evaluation import PROMPTS, answers_path
from alignment.stages.plan import CANDIDATES, stage_folder
from annotation.records import read_records


def answers_to_score(round_: Round) -> Iterator[AnswerToScore]:
    """The held-out answers of every policy, then the candidates of rejection sampling.

    Raises Conflict where the round has not been evaluated yet.
    """
    stage = _evaluated(round_)
    path = answers_path(stage)
    contexts = {prompt.id: prompt.context for prompt in read_records(path.with_name(PROMPTS), PromptRecord)}
    for answer in read_records(path, SampledAnswer):
        yield AnswerToScore(
            prompt_id=answer.prompt_id,
            policy=answer.policy,
            sample=answer.sample,
            context=contexts[answer.prompt_id],
            content=answer.content,
        )
    for each in _candidates(round_):
        for place, candidate in enumerate(each.candidates):
            yield AnswerToScore(
                prompt_id=each.prompt.id,
                policy=SAMPLED,
                sample=place,
                context=each.prompt.context,
                content=candidate.content,
            )


def outside_scores_import(round_: Round, path: Path, by: str, actor: User | None) -> Report:
    """Keep what `by` says of the round's answers with its evaluation; the report.

    The same `by` again replaces what they said before. Raises Conflict where the round has not been evaluated
    yet, Invalid where a line is broken, an answer is scored twice, or no score speaks of the round's answers.
    """
    stage = _evaluated(round_)
    if not by.strip():
        raise Invalid("Say who scored the answers: give a name with --by.")
    scores = _read_scores(path)
    report = {
        "by": by.strip(),
        "win_rate": scored_win_rates(list(read_records(answers_path(stage), SampledAnswer)), scores),
        "best_of_k": scored_best_of_k(_candidates(round_), scores),
    }
    if not report["win_rate"] and report["best_of_k"] is None:
        raise Invalid(
            f"No two answers of {round_} to the same prompt are scored in {path.name}: score the rows that "
            "`manage.py export_answers` writes, and keep their prompt_id, policy and sample."
        )
    with transaction.atomic():
        locked = Stage.objects.select_for_update().get(pk=stage.pk)
        others = [each for each in locked.result.get("outside", []) if each["by"] != report["by"]]
        locked.result = {**locked.result, "outside": [*others, report]}
        locked.save(update_fields=["result"])
        audit_record(actor, "evaluation.score", locked, {"by": report["by"], "scores": len(scores)})
    return report


def _evaluated(round_: Round) -> Stage:
    stage = round_.stages.get(name=Stage.Name.EVALUATION)
    if stage.state != Stage.State.FINISHED:
        raise Conflict(f"{round_} has not been evaluated yet: wait for its evaluation to end.")
    return stage


def _candidates(round_: Round) -> list[CandidateSet]:
    path = stage_folder(round_.stages.get(name=Stage.Name.REJECTION_SAMPLING)) / CANDIDATES
    return list(read_records(path, CandidateSet)) if path.exists() else []


def _read_scores(path: Path) -> dict[ScoreKey, float]:
    scores: dict[ScoreKey, float] = {}
    try:
        for score in read_records(path, OutsideScore):
            key = (score.policy, score.prompt_id, score.sample)
            if key in scores:
                raise Invalid(
                    f"{path.name} scores sample {score.sample} of {score.policy} to {score.prompt_id} twice: "
                    "give each answer one score."
                )
            scores[key] = score.score
    except FileNotFoundError as error:
        raise Invalid(f"There is no {path}: give a JSONL file of scores.") from error
    except UnicodeDecodeError as error:
        raise Invalid(f"{path.name} is not a text file: give JSON lines of scores.") from error
    except ValidationError as error:
        told = error.errors()[0]
        where = ".".join(map(str, told["loc"])) or "the line"
        raise Invalid(
            f"After {len(scores)} scores {path.name} has a line that is none ({where}: {told['msg']}): every "
            'line is {"prompt_id", "policy", "sample", "score"}.'
        ) from error
    return scores
