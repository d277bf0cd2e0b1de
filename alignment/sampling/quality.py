"""`python -m alignment.sampling.quality run.json`: which sampled and edited answers SFT learns from.

Comes in: CandidateSets, PreferenceRecords with edits, the evaluation prompts. Goes out: SftExamples, every
dropped one with its reason, and the result that QualityConfig describes. The cheap steps come first, so that
the dear ones see fewer examples.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from alignment.encoding import sft_turn
from alignment.programs import QualityConfig
from alignment.quality.examples import (
    NO_ANSWER,
    best_candidate,
    best_example,
    examples_from_candidates,
    examples_from_edits,
)
from alignment.quality.funnel import Dropped, Funnel, dropped
from alignment.quality.overlap import EvaluationPrompts, drop_overlap
from alignment.quality.phrases import balance_phrases
from alignment.quality.recipe import DedupRecipe
from alignment.quality.scores import choose_by_score, priorities
from alignment.records import CandidateSet, PromptRecord, SftExample
from alignment.sampling.judge import judge_all
from annotation.records import Message, PreferenceRecord, read_records, write_records
from pretrain.run import ProgramError, RunFolder, program_main

NO_JUDGE = (
    "No judge is named in the recipe (quality.judge), so the judge's quality score and the difficulty were "
    "left out."
)


@dataclass(kw_only=True)
class Pool:
    """The examples that are left, with what is known of them by id."""

    examples: list[SftExample]
    rewards: dict[str, float]
    """The reward model's; people's own answers have none."""
    domains: dict[str, str]
    judged: dict[str, float] = field(default_factory=dict)
    """The judge's quality, 0 to 1."""
    difficulty: dict[str, float] = field(default_factory=dict)
    """The judge's, 0 to 1."""
    funnel: Funnel = field(default_factory=Funnel)

    def apply(self, step: str, done: tuple[list[SftExample], Sequence[Dropped]]) -> None:
        """Go on with what a step kept, and take down what it dropped."""
        kept, left_out = done
        self.funnel.add(step, len(self.examples), left_out)
        self.examples = kept


def run(config: QualityConfig, folder: RunFolder) -> None:
    """The program. Raises ProgramError where no example is left."""
    pool = read_pool(config)
    evaluation = read_records(config.evaluation_prompts, PromptRecord)
    prompts = EvaluationPrompts((prompt.context for prompt in evaluation), config.recipe.overlap)
    pool.apply("evaluation overlap", drop_overlap(pool.examples, prompts))
    pool.apply("overused phrases", balance_phrases(pool.examples, config.recipe.phrases, pool.rewards))
    judge = judge_pool(config, pool, folder)
    pool.apply("quality", choose_by_score(pool.examples, pool.rewards, pool.judged, config.recipe))
    if config.recipe.dedup is not None and pool.examples:
        pool.apply("semantic duplicates", drop_near(config, config.recipe.dedup, pool, folder))
    write_records(config.dropped, pool.funnel.dropped)
    if not pool.examples:
        raise ProgramError(nothing_left(pool.funnel.dropped))
    write_records(config.out, pool.examples)
    topics = name_topics(config, pool, folder)
    folder.finish(
        {
            "num_examples": len(pool.examples),
            "sources": dict(Counter(example.source for example in pool.examples)),
            "sampled_domains": sampled_domains(pool),
            "steps": pool.funnel.report(),
            "judge": judge,
            "topics": topics,
            "left_out": left_out_sentences(judge),
        }
    )


def read_pool(config: QualityConfig) -> Pool:
    """All examples that have the form of one. Broken lines raise pydantic's ValidationError."""
    sets = list(read_records(config.candidates, CandidateSet))
    sampled, left_out = examples_from_candidates(sets)
    preferences = list(read_records(config.preferences, PreferenceRecord))
    edits = examples_from_edits(preferences)
    bests = [(best_example(each).id, best_candidate(each).reward) for each in sets]
    pool = Pool(
        examples=[*sampled, *edits],
        rewards={name: reward for name, reward in bests if reward is not None},
        domains={best_example(each).id: each.prompt.domain for each in sets}
        | {f"edit-{record.id}": record.domain for record in preferences},
    )
    pool.funnel.add("form", len(sets) + len(edits), left_out)
    return pool


def sampled_domains(pool: Pool) -> dict[str, int]:
    """How many sampled answers are left, by domain."""
    sampled = [example.id for example in pool.examples if example.source == "rejection_sampling"]
    return dict(Counter(pool.domains[name] for name in sampled))


def judge_pool(
    config: QualityConfig, pool: Pool, folder: RunFolder
) -> dict[str, Any] | None:  # Any: figures, written as JSON
    """Have the judge score the pool's examples; the figures of it, None without a judge."""
    if config.judge is None or not pool.examples:
        return None
    found = judge_all(
        config.judge,
        pool.examples,
        pool.domains,
        config.judged,
        on_progress=lambda done: folder.progress(done, len(pool.examples), "judgements"),
    )
    pool.judged = {name: judgement.quality for name, judgement in found.items()}
    pool.difficulty = {name: judgement.difficulty for name, judgement in found.items()}
    return {
        "num_judged": len(found),
        "num_unusable": len(pool.examples) - len(found),
        "mean_quality": fmean(pool.judged.values()) if found else None,
        "mean_difficulty": fmean(pool.difficulty.values()) if found else None,
    }


def left_out_sentences(judge: dict[str, Any] | None) -> list[str]:  # Any: judge_pool's figures
    """What could not be done, for the report."""
    if judge is None:
        return [NO_JUDGE]
    if judge["num_unusable"]:
        number = judge["num_judged"] + judge["num_unusable"]
        return [f"The judge gave {judge['num_unusable']} of {number} examples no usable scores."]
    return []


def drop_near(
    config: QualityConfig, recipe: DedupRecipe, pool: Pool, folder: RunFolder
) -> tuple[list[SftExample], list[Dropped]]:
    """Drop the examples that mean nearly the same as a better or harder one."""
    # Here and not above: torch and transformers take seconds to import, and no other step needs them.
    from alignment.sampling.embedding import dialog_embeddings  # noqa: PLC0415
    from alignment.sampling.semantic_dedup import deduplicate  # noqa: PLC0415

    assert config.embedder is not None, config
    embeddings = dialog_embeddings(
        config.embedder,
        [dialog(example) for example in pool.examples],
        max_tokens=config.max_row_tokens,
        num_threads=config.num_threads,
        on_progress=lambda done: folder.progress(done, len(pool.examples), "dialogs"),
    )
    duplicates = deduplicate(
        embeddings,
        priorities(pool.examples, pool.rewards, pool.judged, pool.difficulty),
        max_cosine=recipe.max_cosine,
        cluster_size=recipe.cluster_size,
        seed=0,
    )
    left_out = [
        dropped(
            pool.examples[each.dialog],
            "nearly the same as a better one",
            f"cosine {each.cosine:.3f} with {pool.examples[each.near].id}",
        )
        for each in duplicates
    ]
    places = {each.dialog for each in duplicates}
    return [example for place, example in enumerate(pool.examples) if place not in places], left_out


def name_topics(
    config: QualityConfig, pool: Pool, folder: RunFolder
) -> dict[str, Any] | None:  # Any: figures, written as JSON
    """Write the topic of every example that is left; the figures of it, None where none are asked for."""
    if config.recipe.topics is None:
        return None
    # Here and not above, for the same reason.
    from alignment.sampling.topics import classify_topics  # noqa: PLC0415

    assert config.embedder is not None, config
    found, figures = classify_topics(
        config.embedder,
        config.recipe.topics.labels,
        {example.id: example.context for example in pool.examples},
        max_tokens=config.max_row_tokens,
        num_threads=config.num_threads,
        on_progress=lambda done, total: folder.progress(done, total, "prompts"),
    )
    write_records(config.topics, found)
    return figures


def dialog(example: SftExample) -> list[Message]:
    """An example whole."""
    return [*example.context, *sft_turn(example)]


def nothing_left(left_out: Sequence[Dropped]) -> str:
    """Why there is nothing to learn from, and what to do, as a sentence."""
    if not left_out:
        return "There is nothing to learn from: no answer was sampled and none was edited."
    reasons = Counter(each.reason for each in left_out)
    counted = ", ".join(f"{reason} ({number})" for reason, number in reasons.most_common())
    if NO_ANSWER["language"] in reasons and reasons.keys() <= set(NO_ANSWER.values()):
        return (
            f"No example is left to learn from: {counted}. Check the languages of the prompts, or leave "
            "rejection.language_check out."
        )
    if reasons.keys() <= {"empty", "cut off at the length limit", "duplicate"}:
        return f"No example is left to learn from: {counted}. Raise rejection.sampling.max_tokens."
    return (
        f"No example is left to learn from: {counted}. Loosen `quality` in the recipe, or give more prompts."
    )


if __name__ == "__main__":
    program_main(QualityConfig, run)
