"""What is referred to never goes: random worlds of rounds, models and rules."""

import os
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pytest_django.fixtures import Settings

from alignment.models import Artifact, Program, Stage
from alignment.stages.plan import stage_folder
from registry.models import Checkpoint, CheckpointParent, Deployment
from tests.alignment.factories import make_round
from tests.upkeep.files import FILES, put
from upkeep.garbage import garbage_collect, garbage_find
from upkeep.retention import Retention

pytestmark = pytest.mark.django_db

NUMBERS = st.integers(min_value=0, max_value=5)


@dataclass
class World:
    """Files, and what should become of them."""

    var: Path
    stays: set[Path] = field(default_factory=set)
    goes: set[Path] = field(default_factory=set)


@dataclass(frozen=True)
class ModelPlan:
    """A model in the store."""

    registered: bool
    old: bool
    deployed: bool
    parent: int


@dataclass(frozen=True)
class RoundPlan:
    """A round of one stage."""

    state: str
    days: int
    attempts: int
    artifact: int
    old: bool
    model: int


models = st.lists(st.builds(ModelPlan, st.booleans(), st.booleans(), st.booleans(), NUMBERS), max_size=4)
rounds = st.lists(
    st.builds(
        RoundPlan,
        st.sampled_from(["running", "paused", "finished", "failed", "cancelled"]),
        NUMBERS,
        st.integers(1, 3),
        NUMBERS,
        st.booleans(),
        NUMBERS,
    ),
    max_size=3,
)
rules = st.builds(
    Retention,
    logs=st.none() | st.integers(1, 4),
    optimizer=st.none() | st.integers(1, 4),
    candidates=st.none() | st.integers(1, 4),
    runs=st.none() | st.integers(1, 4),
)


def build(var: Path, model_plans: list[ModelPlan], round_plans: list[RoundPlan], rule: Retention) -> World:
    """Rows and files as drawn, and by the words of docs/disk.md what becomes of each file."""
    world = World(var)
    made: list[Checkpoint] = []
    needed: set[int] = set()
    for number, plan in enumerate(model_plans):
        paths = put(var / "checkpoints" / f"model-{number}", old=plan.old, names=("model.safetensors",))
        if not plan.registered:
            (world.goes if plan.old else world.stays).update(paths)
            continue
        world.stays.update(paths)
        model = Checkpoint.objects.create(
            name=f"model-{number}", kind="dpo", path=str(paths[0].parent), content_hash="0" * 64
        )
        if made:
            CheckpointParent.objects.create(child=model, parent=made[plan.parent % len(made)], role="x")
        made.append(model)
        if plan.deployed:
            Deployment.objects.create(name=model.name, checkpoint=model, served_name="x", state="live")
    live = {each.checkpoint_id for each in Deployment.objects.filter(checkpoint__in=made)}
    for model in reversed(made):
        children = set(CheckpointParent.objects.filter(parent=model).values_list("child_id", flat=True))
        if model.pk in live or children & needed:
            needed.add(model.pk)
    for round_plan in round_plans:
        _build_round(world, round_plan, made, needed, rule)
    world.stays.update(put(var / "runs" / "notes", old=True))
    return world


def _build_round(
    world: World, plan: RoundPlan, made: list[Checkpoint], needed: set[int], rule: Retention
) -> None:
    ended = timezone.now() - timedelta(days=plan.days, hours=1)
    round_ = make_round(state=plan.state, finished_at=ended if plan.state == "finished" else None)
    model = made[plan.model % len(made)] if made else None
    stage = round_.stages.get(name=Stage.Name.SFT)
    stage.attempt = plan.attempts
    stage.result = {"checkpoints": {"average": model.pk}} if model else {}
    stage.save()
    for attempt in range(1, plan.attempts + 1):
        stage.attempt = attempt
        folder = stage_folder(stage) / "variant-1"
        paths = put(folder, old=plan.old)
        moment = folder.stat().st_mtime
        os.utime(folder.parent, (moment, moment))
        is_named = attempt in (plan.attempts, plan.artifact)
        if is_named:
            program = Program.objects.create(
                stage=stage,
                name=f"variant-{attempt}",
                module="m",
                queue="training",
                group=0,
                folder=str(folder) if attempt == plan.attempts else "/nowhere",
            )
            if attempt == plan.artifact:
                Artifact.objects.create(fingerprint="f", program=program, folder=str(folder), outputs={})
        under_way = plan.state in ("running", "paused")
        if not is_named and plan.old and not under_way:
            world.goes.update(paths)
            continue
        for path in paths:
            (world.goes if _is_let_go(path.name, plan, model, needed, rule) else world.stays).add(path)


def _is_let_go(
    name: str, plan: RoundPlan, model: Checkpoint | None, needed: set[int], rule: Retention
) -> bool:
    if plan.state != "finished":
        return False
    protected = model is not None and model.pk in needed

    def over(days: int | None) -> bool:
        return days is not None and plan.days >= days

    if not protected and over(rule.runs):
        return True
    kind = FILES[name]
    if kind in ("candidates", "runs"):
        return not protected and kind == "candidates" and over(rule.candidates)
    return over(getattr(rule, kind))


def test_what_is_referred_to_stays_and_what_is_not_goes(tmp_path: Path, settings: Settings) -> None:
    number = 0

    @hypothesis_settings(
        max_examples=40,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(models, rounds, rules)
    def check(model_plans: list[ModelPlan], round_plans: list[RoundPlan], rule: Retention) -> None:
        nonlocal number
        number += 1
        var = tmp_path / str(number)
        settings.ACCORD_VAR, settings.ACCORD_RUNS = var, var / "runs"
        with transaction.atomic():
            world = build(var, model_plans, round_plans, rule)
            found = garbage_find(rule)
            assert world.stays | world.goes == {path for path in var.rglob("*") if path.is_file()}
            gone = garbage_collect(rule, grace_seconds=0)
            assert {each.path for each in found.doomed} == {each.path for each in gone.doomed}
            assert all(each.why for each in gone.doomed)
            assert {path for path in var.rglob("*") if path.is_file()} == world.stays
            assert garbage_find(rule).doomed == []
            transaction.set_rollback(True)

    check()
