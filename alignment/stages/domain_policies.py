"""Which policy answers a domain's prompts: a named checkpoint, or the one that evaluations found best."""

from collections import defaultdict
from collections.abc import Mapping

from accounts.errors import Invalid
from alignment.models import Program, Round, Stage
from alignment.records import SampledAnswer
from alignment.rejection.recipe import BEST
from alignment.stages.evaluation import BASE, CANDIDATE, PREVIOUS, answers_path
from alignment.stages.plan import earlier_rounds, stage_checkpoint
from alignment.win_rate import paired_outcomes, win_rate
from annotation.records import read_records
from registry.models import Checkpoint


def domain_policies(round_: Round, named: Mapping[str, str]) -> dict[str, Checkpoint]:
    """The policy of every domain that the recipe names. Raises Invalid as `named_policy` does."""
    return {
        domain: best_policy(round_, domain) if name == BEST else named_policy(name)
        for domain, name in named.items()
    }


def named_policy(name: str) -> Checkpoint:
    """The checkpoint, if it is there and can answer. Raises Invalid where not."""
    checkpoint = Checkpoint.objects.filter(name=name).first()
    if checkpoint is None:
        raise Invalid(
            f"rejection.policies names {name!r} and there is no such checkpoint: give a name from the list "
            f'of models, or "{BEST}".'
        )
    if checkpoint.kind == Checkpoint.Kind.REWARD_MODEL:
        raise Invalid(f"rejection.policies names {name!r}, which is a reward model: give one that answers.")
    return checkpoint


def best_policy(round_: Round, domain: str) -> Checkpoint:
    """The newest policy that its own round's evaluation did not find worse in the domain than the one before.

    Worse is a win rate surely below one half, by that round's reward model: a proxy, so it takes a policy
    back only where it is sure. Without answers in the domain a policy counts as no worse.
    """
    for earlier in earlier_rounds(round_):
        if not _got_worse(earlier, domain):
            return stage_checkpoint(earlier, Stage.Name.AVERAGING, "average")
    return round_.base


def _got_worse(round_: Round, domain: str) -> bool:
    rewards: dict[str, defaultdict[str, list[float]]] = {
        name: defaultdict(list) for name in (CANDIDATE, PREVIOUS, BASE)
    }
    for answer in _answers(round_):
        if answer.domain == domain and answer.policy in rewards:
            rewards[answer.policy][answer.prompt_id].append(answer.reward)
    before = rewards[PREVIOUS] or rewards[BASE]
    outcomes = {
        prompt: paired_outcomes(own, before[prompt])
        for prompt, own in rewards[CANDIDATE].items()
        if prompt in before
    }
    return bool(outcomes) and win_rate(outcomes)["high"] < 0.5


def _answers(round_: Round) -> list[SampledAnswer]:
    """What the round's evaluation sampled; nothing where its files are gone."""
    try:
        path = answers_path(round_.stages.get(name=Stage.Name.EVALUATION))
        return list(read_records(path, SampledAnswer))
    except (Program.DoesNotExist, FileNotFoundError):
        return []
