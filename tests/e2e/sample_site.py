"""A site in the middle of a project: people, prompts, comparisons, judgements, models, a running round.

Made through the services that pages and commands use.
"""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.utils import timezone

from accounts.models import Role, User
from accounts.services import token_create, user_create
from alignment.models import GatePair, Program, Round, Stage
from annotation.models import Comparison, Flag, Judgement, Membership, Project, Prompt, Response, Side
from annotation.records import Strength
from annotation.services import (
    Verdict,
    comparison_create,
    comparison_flag,
    comparison_next,
    judgement_submit,
    membership_set,
    project_create,
)
from annotation.services.administration import project_update
from registry.models import Checkpoint
from reviewing.models import DocumentReview
from tests.e2e.sample_checks import checks_and_their_judgements
from tests.e2e.sample_console import make_running_programs
from tests.e2e.sample_deployments import make_release_under_way, make_releases
from tests.e2e.sample_documents import make_document_review
from tests.e2e.sample_edits import make_edits_judged_again
from tests.e2e.sample_evaluation import sample_evaluation
from tests.e2e.sample_exchange import make_exchange
from tests.e2e.sample_guidelines import make_guidelines
from tests.e2e.sample_launch import make_forecasts
from tests.e2e.sample_live import make_live_work
from tests.e2e.sample_models import ask_two, make_history, make_models
from tests.e2e.sample_texts import GUIDELINES, PAIRS
from tests.e2e.sample_webhook import make_webhook

PASSWORD = "a quiet morning in June"


@dataclass(frozen=True, kw_only=True)
class SampleSite:
    """Who and what is there."""

    project: Project
    admin: User
    annotator: User
    colleague: User
    newcomer: User
    """An annotator without a project."""
    qualified: Membership
    """Of somebody who has done the qualification and is paused."""
    documents: DocumentReview
    checkpoint: Checkpoint
    round: Round
    gate: Stage
    """Of the round before; it waits for people."""


def make_person(name: str, role: Role = Role.ANNOTATOR, *, password: str | None = None) -> User:
    """Somebody who works here."""
    return user_create(username=name, role=role, password=password)


def make_project(*, slug: str = "helpful", name: str = "Helpful answers", overlap: int = 1) -> Project:
    """A project with guidelines and nothing else."""
    return project_create(
        slug=slug,
        name=name,
        description="Everyday questions: code, numbers, languages. Honest and to the point.",
        guidelines=GUIDELINES,
        overlap=overlap,
        edit_share=0.0,
    )


def make_comparison(project: Project, pair: tuple[str, str, str, str, str], *, name: str) -> Comparison:
    """One open comparison of two answers by two models."""
    domain, language, question, left, right = pair
    context = [{"role": "user", "content": question}]
    if domain == "coding":
        before = [
            {"role": "system", "content": "You are a patient teacher of programming. Show short examples."},
            {"role": "user", "content": "What is a list in Python?"},
            {
                "role": "assistant",
                "content": "An ordered collection: `[1, 2, 3]`. Items may repeat.",
            },
        ]
        context = before + context
    prompt = Prompt.objects.create(
        project=project, external_id=name, domain=domain, language=language, context=context
    )
    responses = [
        Response.objects.create(project=project, content=content, model_name=model, finish="stop")
        for content, model in ((left, "orchid-secret-a"), (right, "orchid-secret-b"))
    ]
    return comparison_create(prompt=prompt, left=responses[0], right=responses[1], round_number=1)


def judge_next(project: Project, annotator: User, strength: Strength, *, edited: str | None = None) -> None:
    """Let `annotator` judge what is handed to them."""
    assignment = comparison_next(project, annotator)
    assert assignment is not None, "nothing is left to judge"
    judgement_submit(
        comparison_id=assignment.comparison_id,
        annotator=annotator,
        lease=assignment.lease,
        idempotency_key=str(assignment.lease),
        verdict=Verdict(
            preferred=Side.LEFT,
            strength=strength,
            edited=edited,
            reasons=("correct", "clear") if edited else ("correct",),
            seconds=40.0,
        ),
    )


def make_sample_site(folder: Path) -> SampleSite:
    """All of it; `folder` takes the files of the checkpoints."""
    admin, annotator = make_person("maria.keller", Role.ADMIN), make_person("tomas")
    colleague, newcomer = make_person("aiko"), make_person("newcomer")
    project = make_project()
    membership_set(project, annotator, Role.ANNOTATOR, actor=admin)
    membership_set(project, colleague, Role.ANNOTATOR, actor=admin)
    token_create(annotator, name="Nightly export")
    _judged_and_flagged(project, colleague)
    _judged_by_others(project)
    qualified = checks_and_their_judgements(project, admin)
    make_edits_judged_again(project)
    for index, pair in enumerate(PAIRS):
        make_comparison(project, pair, name=f"open-{index}")
    pay = {"pay_per_judgement": Decimal("0.20"), "fair_pay_per_hour": Decimal(20)}
    project_update(project, actor=admin, judgements_wanted=60, currency="EUR", **pay)
    make_exchange(project, admin)
    make_guidelines(project, actor=admin, reader=colleague)
    _red_team(annotator, actor=admin)
    make_webhook(admin)
    checkpoint = make_models(project, folder)
    make_live_work(project, annotator)
    round_ = _round(project, checkpoint, admin, folder)
    history = make_history(folder)
    make_releases(project, admin)
    make_release_under_way(history[0].project, checkpoint, admin)
    ask_two(history, folder)
    documents = make_document_review(project, folder, [colleague, annotator])
    gate = _earlier_gate(round_)
    make_forecasts(gate.round)
    return SampleSite(
        project=project,
        admin=admin,
        annotator=annotator,
        colleague=colleague,
        newcomer=newcomer,
        qualified=qualified,
        documents=documents,
        checkpoint=checkpoint,
        round=round_,
        gate=gate,
    )


def _red_team(annotator: User, *, actor: User) -> None:
    """A sensitive project that the annotator has not agreed to yet."""
    project = make_project(slug="red-team", name="Red team: what must not be said")
    project_update(
        project,
        actor=actor,
        sensitive=True,
        exposure_cap=40,
        support_text="It is all right to stop. **Talk to us**, or call the helpline named in your contract.",
    )
    membership_set(project, annotator, Role.ANNOTATOR, actor=actor)
    make_comparison(project, PAIRS[0], name="sensitive")


def _judged_and_flagged(project: Project, colleague: User) -> None:
    for number in range(14):
        make_comparison(project, PAIRS[number * number % len(PAIRS)], name=f"judged-{number}")
        edited = "A better answer, written by hand." if number % 5 == 0 else None
        judge_next(project, colleague, list(Strength)[number * 3 % 7 % 4], edited=edited)
    make_comparison(project, PAIRS[4], name="flagged")
    assignment = comparison_next(project, colleague)
    assert assignment is not None
    comparison_flag(
        comparison_id=assignment.comparison_id,
        annotator=colleague,
        lease=assignment.lease,
        reason=Flag.Reason.BROKEN,
        comment="The right answer is one endless word.",
    )


def _judged_by_others(project: Project) -> None:
    """What the quality page and the reports show: the same comparisons judged by more people, over weeks."""
    people = [make_person(name) for name in ("bo", "wilhelmina.featherstonehaugh-cholmondeley")]
    judged = list(Judgement.objects.order_by("pk").select_related("comparison"))
    now = timezone.now()
    for number, first in enumerate(judged):
        Judgement.objects.filter(pk=first.pk).update(created_at=now - timedelta(days=2 * number))
        for place, person in enumerate(people):
            Judgement.objects.create(
                comparison=first.comparison,
                annotator=person,
                preferred=Side.RIGHT if number % 4 == 0 else Side.LEFT,
                strength=list(Strength)[(number + place) % 4],
                seconds=3.0 if place else 35.0 + number,
                idempotency_key=str(first.comparison_id),
                created_at=now - timedelta(days=2 * number, hours=place),
            )
    Comparison.objects.filter(pk__in=[first.comparison_id for first in judged]).update(
        needed=3, num_judgements=3
    )


def _round(project: Project, base: Checkpoint, admin: User, folder: Path) -> Round:
    """A round in the middle of its reward model."""
    round_ = Round.objects.create(
        project=project, number=2, base=base, recipe={"name": "small", "k": 10}, launched_by=admin
    )
    for position, name in enumerate(Stage.Name):
        stage = Stage.objects.create(round=round_, name=name, position=position)
        now = timezone.now()
        if position < 3:
            stage.state, stage.started_at, stage.finished_at = Stage.State.FINISHED, now, now
            stage.save()
        if name == Stage.Name.REWARD_MODEL:
            stage.state, stage.started_at = Stage.State.RUNNING, now
            stage.save()
            Program.objects.create(
                stage=stage,
                name="variant-1",
                module="alignment.training.reward_model",
                queue="training",
                group=0,
                folder=str(folder / "program"),
                state=Program.State.RUNNING,
                done=310,
                total=900,
                unit="steps",
                started_at=now,
            )
    _quality(round_, folder)
    make_running_programs(round_, folder)
    round_.stages.filter(name=Stage.Name.REJECTION_SAMPLING).update(result=_sampled())
    round_.stages.filter(name=Stage.Name.EVALUATION).update(result=sample_evaluation())
    return round_


def _earlier_gate(round_: Round) -> Stage:
    """The gate of the round before, with pairs for people to compare."""
    earlier = Round.objects.create(
        project=round_.project,
        number=round_.number - 1,
        base=round_.base,
        recipe=round_.recipe,
        state=Round.State.FINISHED,
    )
    for position, name in enumerate(Stage.Name):
        Stage.objects.create(round=earlier, name=name, position=position, state=Stage.State.FINISHED)
    earlier.stages.filter(name=Stage.Name.EVALUATION).update(result=sample_evaluation(gained=0.1))
    gate = earlier.stages.get(name=Stage.Name.GATE)
    gate.state, gate.done, gate.total, gate.unit = Stage.State.WAITING, 1, len(PAIRS), "pairs"
    gate.result = {"decided_by": "people", "problems": [], "note": ""}
    gate.save()
    for number, (_, _, question, left, right) in enumerate(PAIRS):
        GatePair.objects.create(
            stage=gate,
            number=number,
            prompt_id=f"prompt-{number}",
            other="base",
            context=[{"role": "user", "content": question}],
            candidate_answer=left,
            other_answer=right,
            candidate_left=number % 2 == 0,
            verdict="" if number else GatePair.Verdict.TIE,
        )
    return gate


def _sampled() -> dict[str, Any]:  # Any: JSON
    """The figures of rejection sampling in three domains."""
    curves = {
        "coding": {"1": -0.41, "2": -0.3, "4": -0.12, "8": 0.05, "16": 0.16, "30": 0.22},
        "general": {"1": -0.25, "2": -0.14, "4": 0.01, "8": 0.11, "16": 0.172, "30": 0.2},
        "multilingual": {"1": -0.2, "2": -0.16, "4": -0.11, "8": -0.07, "16": -0.05, "30": -0.049},
    }
    sizes = {"coding": 1_840, "general": 9_700, "multilingual": 940}
    domains = {
        name: {
            "num_prompts": sizes[name],
            "num_chosen": sizes[name] - 12,
            "num_tokens": sizes[name] * 1_700,
            "seconds": sizes[name] * 0.21,
            "share_above_median": 0.97,
            "reward_by_k": curve,
        }
        for name, curve in curves.items()
    }
    return {
        "num_prompts": 12_480,
        "num_chosen": 12_444,
        "num_refused": {"form": 2_104, "language": 977},
        "num_finished": {"stop": 370_000, "tool_call": 311, "malformed": 2_104, "length": 1_985},
        "num_tokens": 21_000_000,
        "seconds": 2_620.8,
        "share_above_median": 0.983,
        "reward_by_k": {"1": -0.265, "2": -0.155, "4": -0.0056, "8": 0.104, "16": 0.171, "30": 0.203},
        "domains": domains,
        "policies": {"helpful-r2-averaging-average": 10_640, "helpful-r1-averaging-average": 1_840},
        "system_prompts": {"terse": 1_248, "for a child": 610},
        "unmatched_domains": ["codign", "multilingual in it"],
    }


def _quality(round_: Round, folder: Path) -> None:
    """A funnel of SFT examples, with texts that do not fit a line."""
    samples = [
        {"reason": "empty", "detail": "", "prompt": "Why is the sky blue?", "response": " "},
        {
            "reason": "cut off at the length limit",
            "detail": "",
            "prompt": "Write the longest word you know " * 6,
            "response": "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft"
            * 3,
        },
    ]
    steps = [
        {
            "name": "form",
            "num_in": 12_480,
            "num_kept": 12_001,
            "dropped": {"empty": 79, "cut off at the length limit": 400},
            "samples": samples,
        },
        {
            "name": "evaluation overlap",
            "num_in": 12_001,
            "num_kept": 11_958,
            "dropped": {"like an evaluation prompt": 43},
            "samples": [
                {**samples[0], "reason": "like an evaluation prompt", "detail": "0.81: Why is it blue?"}
            ],
        },
        {"name": "overused phrases", "num_in": 11_958, "num_kept": 11_958, "dropped": {}, "samples": []},
        {
            "name": "quality",
            "num_in": 11_958,
            "num_kept": 3_020,
            "dropped": {"not among the highest rewards": 8_938},
            "samples": samples[:1],
        },
    ]
    Program.objects.create(
        stage=round_.stages.get(name=Stage.Name.SFT),
        name="quality",
        module="alignment.sampling.quality",
        queue="sampling",
        group=0,
        folder=str(folder / "quality"),
        state=Program.State.FINISHED,
        result={"steps": steps, "left_out": ["No judge is named in the recipe."], "sources": {}},
    )
