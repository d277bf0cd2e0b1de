"""`python -m alignment.sampling.rejection run.json`: K answers a prompt, scored, the best marked.

Comes in: policies, a reward model, PromptRecords. Goes out: a JSONL of CandidateSets and the result that
RejectionConfig describes. Prompts are done in batches, each appended to `out` when it is scored, so that a
killed program goes on where it stood; at the end `out` is put into the prompts' order. A program that does
one shard of a stage has all prompts and does its own batches.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from alignment.programs import RejectionConfig
from alignment.records import Candidate, CandidateSet, Refusal
from alignment.rejection.draws import Batch, Draw, own_batches, plan_batches, plan_draws, unmatched_domains
from alignment.rejection.figures import choosable_rewards, figures, rewarded, seconds_by_domain
from alignment.rejection.languages import in_another_language
from alignment.sampling.candidates import append, candidate_set, read_finished
from alignment.sampling.engine import Answer, PolicyEngine, RewardEngine, num_workers, on_cpu, prompt_seed
from alignment.sampling.options import model_limit
from alignment.sampling.prompts import read_prompts
from alignment.sampling.workers import run_jobs
from annotation.records import write_records
from pretrain.encoders import encoder_for
from pretrain.run import ProgramError, RunFolder, program_main

MAX_SAMPLES = 20
"""Answers written into metrics.jsonl for people to read."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """What came of a batch."""

    batch: int
    found: Sequence[CandidateSet]
    seconds: float
    """Of the worker that sampled and scored it."""


def run(config: RejectionConfig, folder: RunFolder) -> None:
    """The program. Raises ProgramError for prompts or an `out` that cannot be used."""
    prompts = read_prompts(config.prompts)
    draws = fitting_draws(config, plan_draws(config, prompts))
    if not draws:
        raise ProgramError(f"No prompt of {config.prompts} fits the policy: give shorter ones.")
    batches = own_batches(config, plan_batches(config, draws))
    own = [draw for batch in batches for draw in batch.draws]
    finished = read_finished(config.out, own, config.num_candidates)
    # A batch is computed whole, also where a kill left a part of it: its answers depend, in their last bits,
    # on what they are computed with.
    left = [batch for batch in batches if any(draw.prompt.id not in finished for draw in batch.draws)]
    folder.progress(len(finished), len(own), "prompts")
    num_samples = 0

    def keep(report: Report) -> None:
        nonlocal num_samples
        new = [each for each in report.found if each.prompt.id not in finished]
        append(config.out, new)
        finished.update({each.prompt.id: each for each in new})
        folder.metrics(report.batch, seconds=round(report.seconds, 3))
        folder.progress(len(finished), len(own), "prompts")
        if num_samples < MAX_SAMPLES:
            num_samples += write_sample(folder, report.found)

    run_jobs(
        len(left),
        num_processes=num_workers(config.policy, config.engine),
        forked=on_cpu(),
        start=lambda: Sampler(config, left),
        on_report=keep,
    )
    done = {draw.prompt.id for draw in own}
    ordered = [finished[draw.prompt.id] for draw in draws if draw.prompt.id in done]
    write_records(config.out, ordered)
    folder.finish(
        {
            **figures(ordered, seconds_by_domain(timed_batches(folder, batches, finished))),
            "num_skipped": len(prompts) - len(draws),
            "unmatched_domains": unmatched_domains(config, prompts),
        }
    )


def fitting_draws(config: RejectionConfig, draws: Sequence[Draw]) -> list[Draw]:
    """The draws whose prompts leave their policies room for an answer."""
    encoders = {name: encoder_for(folder) for name, folder in config.policies.items()}
    limits = {name: model_limit(folder, config.engine) for name, folder in config.policies.items()}
    return [
        draw
        for draw in draws
        if len(encoders[draw.policy].encode_context(draw.prompt.context)) + draw.sampling.max_tokens
        <= limits[draw.policy]
    ]


class Sampler:
    """The reward model, the policy of the batch in hand, and the batches to do."""

    def __init__(self, config: RejectionConfig, batches: Sequence[Batch]) -> None:
        num_engines = 2 * num_workers(config.policy, config.engine)
        self._config = config
        self._batches = batches
        first = config.policies[batches[0].policy]
        self._policy = PolicyEngine(first, config.engine, num_engines=num_engines)
        self._reward_model = RewardEngine(config.reward_model, config.engine, num_engines=num_engines)

    def do(self, job: int) -> Report:
        """Sample and score a batch's prompts."""
        started = time.monotonic()
        batch = self._batches[job]
        answers = self._answers(batch)
        self._reward_model.forget_prompts()
        rewards = self._reward_model.rewards_many(
            [
                (draw.prompt.context, [answer.message for answer in drawn])
                for draw, drawn in zip(batch.draws, answers, strict=True)
            ]
        )
        found = [
            candidate_set(draw, [self._candidate(draw, *each) for each in zip(drawn, scores, strict=True)])
            for draw, drawn, scores in zip(batch.draws, answers, rewards, strict=True)
        ]
        return Report(batch=batch.number, found=found, seconds=time.monotonic() - started)

    def close(self) -> None:
        """Free both engines."""
        self._policy.close()
        self._reward_model.close()

    def _answers(self, batch: Batch) -> list[list[Answer]]:
        folder = self._config.policies[batch.policy]
        if self._policy.folder != folder:
            self._policy.swap_weights(folder)
        self._policy.forget_prompts()
        return self._policy.answer_each(
            [self._policy.encode(draw.prompt.context) for draw in batch.draws],
            [prompt_seed(draw.sampling.seed, draw.prompt.id) for draw in batch.draws],
            [draw.sampling for draw in batch.draws],
            n=self._config.num_candidates,
        )

    def _candidate(self, draw: Draw, answer: Answer, reward: float) -> Candidate:
        """An answer and its reward as a record, refused where it could not be learned from."""
        refused: Refusal | None = None
        if answer.finish == "malformed":
            refused = "form"
        elif self._in_another_language(draw, answer):
            refused = "language"
        return Candidate(
            content=answer.content,
            num_tokens=answer.num_tokens,
            finish=answer.finish,
            reward=reward,
            refused=refused,
        )

    def _in_another_language(self, draw: Draw, answer: Answer) -> bool:
        check = self._config.language_check
        if check is None or answer.finish == "tool_call":
            return False
        return in_another_language(answer.content, draw.prompt, check)


def write_sample(folder: RunFolder, found: Sequence[CandidateSet]) -> bool:
    """The best answer to the first prompt that has one, and how much better than the mean it is."""
    for each in found:
        if each.best is not None:
            best = each.candidates[each.best]
            folder.sample(
                each.prompt.context[-1].content,
                best.content,
                reward=rewarded(best),
                mean_reward=fmean(choosable_rewards(each)),
            )
            return True
    return False


def timed_batches(
    folder: RunFolder, batches: Sequence[Batch], finished: dict[str, CandidateSet]
) -> list[tuple[float, list[CandidateSet]]]:
    """The seconds of every batch, in this run and in those that were killed, with what it found."""
    by_number = {batch.number: batch for batch in batches}
    return [
        (row["seconds"], [finished[draw.prompt.id] for draw in by_number[row["step"]].draws])
        for row in folder.read_metrics("metrics")
        if row["step"] in by_number
    ]


if __name__ == "__main__":
    program_main(RejectionConfig, run)
