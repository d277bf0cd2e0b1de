"""Pairs of answers by a project's deployed models: one for a dialog's next turn, many for a round."""

import hashlib
import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Count
from django.utils import timezone

from accounts.errors import Conflict
from accounts.services import audit_record
from annotation.asking import (
    ClientFor,
    Context,
    Pair,
    PairSampling,
    Unusable,
    chat_client,
    draw_models,
    pairs_ask,
)
from annotation.models import Comparison, Dialog, Project, Prompt, PromptWeight, Response
from annotation.records import Message
from annotation.rotation import Group, prompt_rotation
from annotation.selectors import prompts, release_holds
from registry.client import Completion, ModelAway, ModelReplaced
from registry.models import Deployment

MAX_TRIES = 5
MIN_ASKED = 200
"""Prompts tried before models count as agreeing always: two good ones often do, on an easy prompt."""
BATCH = 256
"""Contexts asked at once; their comparisons are saved together."""
MIN_BATCH = 8
"""Contexts asked at once where fewer comparisons are missing: the first usable answers are taken."""
MAX_REPLACED = 3
"""Deploys in a row that may take the models' place while they are asked."""
COMES_BACK = (Deployment.State.STARTING, Deployment.State.READY)


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How the deployed models answer."""

    temperature: float
    top_p: float
    max_tokens: int
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Generated:
    """What came of asking for comparisons."""

    created: int
    identical: int
    """Pairs dropped because both models said the same."""
    empty: int
    """Pairs dropped because a model said nothing."""


def live_deployments(project: Project) -> tuple[int | None, list[Deployment]]:
    """The project's release, and its models that answer now, as of one moment.

    Raises ModelAway while one of them is being started again: with it there may be two.
    """
    # One statement: a deploy between two would give its models under the number of the ones before.
    rows = list(
        Project.deployments.through.objects.filter(project=project)
        .select_related("project", "deployment__checkpoint")
        .order_by("deployment_id")
    )
    deployments: list[Deployment] = [row.deployment for row in rows]
    live = [each for each in deployments if each.state == Deployment.State.LIVE]
    restarting = any(each.state in COMES_BACK for each in deployments)
    if restarting and len({each.checkpoint_id for each in live}) < 2:
        raise ModelAway(f"A model of {project.slug} is being started again: try again in a minute.")
    return rows[0].project.release_id if rows else None, live


def pair_generate(
    project: Project,
    contexts: Sequence[Context],
    *,
    sampling: PairSampling,
    seeds: Sequence[int],
    client_for: ClientFor = chat_client,
) -> list[Pair | Unusable]:
    """One pair a context by two different live models of the project, drawn with the context's seed.

    Raises Conflict where the project has no two different live models, ModelReplaced where a deploy took
    their place meanwhile. Call it outside transactions.
    """
    release, deployments = live_deployments(project)
    draws = [draw_models(deployments, seed, release=release) for seed in seeds]
    return pairs_ask(contexts, draws, sampling, client_for=client_for)


def pair_generate_one(
    project: Project,
    context: Context,
    *,
    sampling: PairSampling,
    client_for: ClientFor = chat_client,
) -> Pair | Unusable:
    """One pair for one context; where the answers make none, the models are asked again a few times."""
    found: Pair | Unusable = Unusable.EMPTY
    for attempt in range(MAX_TRIES):
        seed = _seed(project.slug, sampling.seed, attempt)
        found = pair_generate(project, [context], sampling=sampling, seeds=[seed], client_for=client_for)[0]
        if isinstance(found, Pair):
            return found
    return found


def comparisons_generate(
    project: Project,
    *,
    num_comparisons: int,
    round_number: int,
    sampling: PairSampling,
    client_for: ClientFor = chat_client,
    min_batch: int = MIN_BATCH,
) -> Generated:
    """Make `num_comparisons` new comparisons of the round from the train prompts, least used first.

    Empty or identical answers make none: the next prompts are tried in their place, at most
    `MAX_TRIES` times `num_comparisons` in all (`MIN_ASKED` at least), so that fewer may come out. What
    models wrote that a deploy replaced meanwhile is dropped: the new ones are asked. Raises Conflict where
    the project has no two different live models, or where not a single usable pair came.
    """
    dropped: Counter[Unusable] = Counter()
    created = 0
    asked = num_replaced = 0
    before = Comparison.objects.filter(project=project, round=round_number).count()
    rotation = prompts_in_rotation(project, sampling.seed, before)
    while created < num_comparisons and asked < max(MIN_ASKED, MAX_TRIES * num_comparisons):
        missing = num_comparisons - created
        pks = list(itertools.islice(rotation, min(BATCH, max(min_batch, missing))))
        if not pks:
            raise Conflict(
                f"{project.slug} has no train prompts to ask: import some with `manage.py import_prompts`, "
                "or give some of them a weight."
            )
        by_pk = Prompt.objects.in_bulk(pks)
        batch = [by_pk[pk] for pk in pks]
        try:
            pairs = _ask_batch(project, batch, round_number, asked, sampling, client_for)
        except ModelReplaced:
            num_replaced += 1
            if num_replaced > MAX_REPLACED:
                raise
            continue
        answered = zip(batch, pairs, strict=True)
        usable = [(prompt, pair) for prompt, pair in answered if isinstance(pair, Pair)][:missing]
        dropped.update(pair for pair in pairs if isinstance(pair, Unusable))
        created += _save_pairs(project, usable, round_number)
        asked += len(batch)
    if num_comparisons and not created:
        raise Conflict(
            f"The models of {project.slug} gave no two different answers to {asked} prompts: "
            "deploy models that differ more, or sample at a higher temperature."
        )
    return Generated(created=created, identical=dropped[Unusable.IDENTICAL], empty=dropped[Unusable.EMPTY])


def response_build(
    project: Project, deployment: Deployment, answer: Completion, release: int | None
) -> Response:
    """An unsaved response of a deployed model, with the version that wrote it."""
    return Response(
        project=project,
        content=answer.content,
        tool_call=answer.tool_call,
        deployment=deployment,
        checkpoint_id=deployment.checkpoint_id,
        model_name=deployment.checkpoint.name,
        num_tokens=answer.num_tokens,
        seconds=answer.seconds,
        finish=answer.finish,
        release_id=release,
        written_at=timezone.now(),
    )


def prompts_in_rotation(project: Project, seed: int, drawn: int) -> Iterator[int]:
    """Keys of the train prompts, again and again, by use and by the project's weights."""
    rows = prompts(project, Prompt.Split.TRAIN).annotate(num=Count("dialogs"))
    counted = [
        (pk, (domain, language), num)
        for pk, domain, language, num in rows.values_list("pk", "domain", "language", "num")
    ]
    return prompt_rotation(counted, prompt_weights(project), seed=seed, drawn=drawn)


def prompt_weights(project: Project) -> dict[Group, float]:
    """Of the domains and languages that have one."""
    weighted = PromptWeight.objects.filter(project=project)
    return {(each.domain, each.language): each.weight for each in weighted}


def _ask_batch(
    project: Project,
    batch: Sequence[Prompt],
    round_number: int,
    asked: int,
    sampling: PairSampling,
    client_for: ClientFor,
) -> list[Pair | Unusable]:
    before = Comparison.objects.filter(project=project, round=round_number).count()
    seeds = [
        _seed(project.slug, round_number, sampling.seed, before, asked + place) for place in range(len(batch))
    ]
    contexts = [[Message(**message) for message in prompt.context] for prompt in batch]
    return pair_generate(project, contexts, sampling=sampling, seeds=seeds, client_for=client_for)


def _save_pairs(project: Project, pairs: Sequence[tuple[Prompt, Pair]], round_number: int) -> int:
    """Store them, unless a deploy has taken the place of the models that wrote them; how many are stored."""
    if not pairs:
        return 0
    (release,) = {pair.draw.release for _, pair in pairs}
    with transaction.atomic():
        if not release_holds(project.pk, release):
            return 0
        dialogs = Dialog.objects.bulk_create(Dialog(project=project, prompt=prompt) for prompt, _ in pairs)
        lefts = Response.objects.bulk_create(
            response_build(project, pair.draw.left, pair.left, release) for _, pair in pairs
        )
        rights = Response.objects.bulk_create(
            response_build(project, pair.draw.right, pair.right, release) for _, pair in pairs
        )
        Comparison.objects.bulk_create(
            Comparison(
                project=project,
                dialog=dialog,
                round=round_number,
                context=prompt.context,
                left=left,
                right=right,
                seed=pair.draw.seed,
                needed=project.overlap,
            )
            for (prompt, pair), dialog, left, right in zip(pairs, dialogs, lefts, rights, strict=True)
        )
        audit_record(None, "comparisons.generate", project, {"round": round_number, "created": len(pairs)})
    return len(pairs)


def _seed(*parts: object) -> int:
    """63 bits that depend on all parts."""
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8]) >> 1
