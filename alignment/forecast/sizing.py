"""Reads how much a round would compute on: judgements, prompts, lengths, the model's size."""

from collections import Counter
from itertools import islice
from pathlib import Path

from accounts.errors import Invalid
from alignment.forecast.history import Past
from alignment.forecast.weights import num_parameters
from alignment.forecast.work import TRAINING, Sizes
from alignment.models import Round
from alignment.recipe import RoundRecipe
from annotation.models import Project
from annotation.selectors import judgement_counts, preference_records, prompts
from registry.models import Checkpoint

SAMPLE = 64
"""Judgements whose words are counted where no round has trained on the project yet."""
TOKENS_A_WORD = 1.5
TOKENS_A_MESSAGE = 5
"""Of the dialog protocol."""
ANSWER_SHARE = 0.5
"""Of the most tokens of an answer, that one has, where none was sampled yet."""
STRONG_SHARE = 0.5
"""Of judgements, that are strong, where there are none yet."""


def round_sizes(project: Project, base: Checkpoint, recipe: RoundRecipe, past: Past) -> Sizes:
    """What there will be when the round trains. Raises Invalid where the base's weights cannot be read."""
    parameters = num_parameters(Path(base.path))
    if parameters is None:
        raise Invalid(f"{base.name} has no readable weights at {base.path}: import it again.")
    total: Counter[int] = Counter()
    strong: Counter[int] = Counter()
    num_edits = 0
    for row in judgement_counts(project):
        total[row.round] += row.judgements
        if row.strength in recipe.snapshot.strengths:
            strong[row.round] += row.judgements
            num_edits += row.edits
    share = strong.total() / total.total() if total.total() else STRONG_SHARE
    edits_share = num_edits / total.total() if total.total() else 0.0
    missing = judgements_to_come(project, recipe)
    total[project.current_round] += missing
    strong[project.current_round] += round(missing * share)
    trains = 1 - recipe.snapshot.holdout_fraction
    newest = [trains * num for _, num in sorted(strong.items(), reverse=True) if num]
    holdout = prompts(project, "holdout").count()
    train = prompts(project, "train").count()
    earlier = Round.objects.filter(project=project, state=Round.State.FINISHED).exists()
    return Sizes(
        parameters=parameters,
        num_judgements=total.total(),
        num_train=round(strong.total() * trains),
        num_newest={
            count: round(sum(newest[:count])) for count in {each.newest_rounds for each in recipe.dpo}
        },
        # Where the project has none of its own, the contexts that people judged are used.
        num_train_prompts=train or round(strong.total() * trains),
        num_holdout_prompts=holdout or round(total.total() * recipe.snapshot.holdout_fraction),
        num_edits=round((num_edits + missing * edits_share) * trains),
        tokens_per_row=_tokens_per_row(project, past),
        tokens_per_answer=next(
            (each.tokens_per_answer for each in past.rounds if each.tokens_per_answer),
            ANSWER_SHARE * recipe.rejection.sampling.max_tokens,
        ),
        kept_share=next((each.kept_share for each in past.rounds if each.kept_share), _kept_share(recipe)),
        num_policies=3 if earlier else 2,
    )


def judgements_to_come(project: Project, recipe: RoundRecipe) -> int:
    """What people are still to give before the round trains."""
    judged = sum(row.judgements for row in judgement_counts(project) if row.round == project.current_round)
    return max(0, recipe.collect.num_comparisons - judged)


def _kept_share(recipe: RoundRecipe) -> float:
    """By the recipe, where no round has shown it."""
    quality = recipe.quality
    return min(1.0, max(quality.top_reward_share, quality.min_examples / recipe.rejection.num_prompts))


def _tokens_per_row(project: Project, past: Past) -> dict[str, float]:
    """As in the project's last round, else another's if the project has nothing, else by words."""
    own = [each for each in past.rounds if each.project_id == project.pk]
    counted = _counted(project)
    found = {}
    for stage in TRAINING:
        rounds = own if counted else past.rounds
        trained = [each.tokens_per_row[stage] for each in rounds if stage in each.tokens_per_row]
        found[stage] = trained[0] if trained else counted.get(stage, 100.0)
    return found


def _counted(project: Project) -> dict[str, float]:
    """Tokens of an example by the words of the project's first judgements; nothing where there are none."""
    contexts, responses = [], []
    for record in islice(preference_records(project), SAMPLE):
        contexts.append(sum(_tokens(message.content) for message in record.context))
        responses.append([_tokens(response.content) for response in record.responses])
    if not contexts:
        return {}
    context = sum(contexts) / len(contexts)
    ranked = sum(map(sum, responses)) / len(responses)
    best = sum(row[0] for row in responses) / len(responses)
    return {"reward_model": context + ranked, "sft": context + best, "dpo": context + ranked}


def _tokens(text: str) -> float:
    return len(text.split()) * TOKENS_A_WORD + TOKENS_A_MESSAGE
