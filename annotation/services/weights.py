"""Sampling weights of a project's prompts, and drawing one of them."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Count
from django.utils.translation import gettext as _

from accounts.errors import Conflict, Invalid
from accounts.models import User
from accounts.services import audit_record
from annotation.models import Project, Prompt, PromptWeight
from annotation.pairing import prompt_weights, prompts_in_rotation
from annotation.rotation import Group

MAX_WEIGHT = 1000.0
SEED_BITS = 62


@dataclass(frozen=True, kw_only=True)
class GroupShare:
    """The train prompts of one domain and language."""

    domain: str
    language: str
    num_prompts: int
    num_dialogs: int
    """That began from them so far."""
    weight: float
    share: float
    """Of the comparisons to come."""


def group_shares(project: Project) -> list[GroupShare]:
    """By domain and language, as the next comparisons will be drawn."""
    rows = list(
        Prompt.objects.filter(project=project, split=Prompt.Split.TRAIN)
        .order_by("domain", "language")
        .values_list("domain", "language")
        .annotate(num_prompts=Count("pk", distinct=True), num_dialogs=Count("dialogs"))
    )
    weights = prompt_weights(project)
    sizes = [
        weights.get((domain, language), 1.0) if weights else float(num_prompts)
        for domain, language, num_prompts, _ in rows
    ]
    total = sum(sizes) or 1.0
    return [
        GroupShare(
            domain=domain,
            language=language,
            num_prompts=num_prompts,
            num_dialogs=num_dialogs,
            weight=weights.get((domain, language), 1.0),
            share=size / total,
        )
        for (domain, language, num_prompts, num_dialogs), size in zip(rows, sizes, strict=True)
    ]


def weights_set(project: Project, weights: Mapping[Group, float], *, actor: User) -> None:
    """From now on prompts are drawn by these weights; by none of them: each prompt as often as any other.

    Raises Invalid where a weight is negative, too large, or all are 0.
    """
    if any(not 0 <= weight <= MAX_WEIGHT for weight in weights.values()):
        raise Invalid(_("A weight is a number from 0 to 1000: 0 asks none of these prompts."))
    if weights and not any(weights.values()):
        raise Invalid(_("All weights are 0: give at least one group a weight, or nothing is asked."))
    with transaction.atomic():
        Project.objects.select_for_update(no_key=True).get(pk=project.pk)
        PromptWeight.objects.filter(project=project).delete()
        PromptWeight.objects.bulk_create(
            PromptWeight(project=project, domain=domain, language=language, weight=weight)
            for (domain, language), weight in weights.items()
        )
        told = [[domain, language, weight] for (domain, language), weight in weights.items()]
        audit_record(actor, "prompts.weights", project, {"weights": told})


def prompt_draw(project: Project, *, other_than: int | None = None) -> Prompt:
    """A prompt of the project's set, by its weights and among the least used. Raises Conflict: none."""
    seed = secrets.randbits(SEED_BITS)
    rotation = prompts_in_rotation(project, seed, 0)
    drawn = next(rotation, None)
    if drawn == other_than:
        drawn = next(rotation, None)
    if drawn is None:
        raise Conflict(_("The project has no prompts to draw from: write one yourself."))
    return Prompt.objects.get(pk=drawn)
