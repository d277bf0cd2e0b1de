"""`python -m alignment.sampling.evaluation run.json`: what several policies answer to held-out prompts.

Comes in: policies, a reward model, held-out PromptRecords and PreferenceRecords. Goes out: a JSONL of
SampledAnswers and the result that EvaluationConfig describes: rewards and lengths of each policy, how often
the first beats the others by reward, how often the reward model agrees with people and how sure it is, and
how far the first policy has moved from its references. What a job gave is written down when it is done, so
that a killed program goes on with the others.
"""

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from alignment.accuracy import judged_margins, pair_accuracy
from alignment.calibration import calibration
from alignment.divergence import AnswerLogRatio, divergence
from alignment.length_control import length_controlled_win_rate
from alignment.programs import EvaluationConfig
from alignment.records import PromptRecord, SampledAnswer, spoken_by
from alignment.sampling.divergence import log_ratios, readable
from alignment.sampling.engine import PolicyEngine, RewardEngine, num_workers, on_cpu, prompt_seed
from alignment.sampling.evaluation_jobs import (
    JOURNAL,
    AccuracyJob,
    AnswerJob,
    DivergenceJob,
    Job,
    Journal,
    Report,
    job_key,
)
from alignment.sampling.prompts import chunks, fitting, read_prompts
from alignment.sampling.workers import run_jobs
from alignment.win_rate import outcome, win_rate
from annotation.records import PreferenceRecord, read_records, write_records
from pretrain.run import ProgramError, RunFolder, program_main

CHUNK_ANSWERS = 512
"""Answers of one job."""

CHUNK_RECORDS = 512
"""Held-out records scored in one job."""

SAMPLES_PER_POLICY = 5
"""Answers written into metrics.jsonl for people to read."""


def run(config: EvaluationConfig, folder: RunFolder) -> None:
    """The program. Raises ProgramError for prompts or policies that cannot be used."""
    prompts = usable_prompts(config)
    jobs = plan(config, prompts)
    total = sum(len(job.prompts) for job in jobs if not isinstance(job, AccuracyJob))
    journal = Journal(folder.path / JOURNAL, [job_key(config, job) for job in jobs])
    left = [number for number in range(len(jobs)) if number not in journal.reports]

    def show() -> None:
        folder.progress(sum(each.num_prompts for each in journal.reports.values()), total, "prompts")

    def keep(done: tuple[int, Report]) -> None:
        journal.add(*done)
        show()

    show()
    run_jobs(
        len(left),
        num_processes=num_processes(config),
        forked=on_cpu(),
        start=lambda: Evaluator(config, jobs, left),
        on_report=keep,
    )
    reports = [journal.reports[number] for number in range(len(jobs))]
    answers = in_order([answer for report in reports for answer in report.answers], config, prompts)
    write_records(config.answers, answers)
    write_samples(folder, config, prompts, answers)
    margins = [margin for report in reports for margin in report.margins]
    folder.finish(
        {
            "num_tokens": sum(sum(report.num_tokens) for report in reports),
            "reward_model": pair_accuracy(margins) if margins else None,
            "calibration": calibration(margins) if margins else None,
            "mean_reward": {
                name: fmean(answer.reward for answer in answers if answer.policy == name)
                for name in config.policies
            },
            "win_rate": win_rates(config, answers),
            "mean_tokens": mean_tokens(config, reports),
            "kl": divergences([found for report in reports for found in report.log_ratios]),
        }
    )
    journal.discard()


def usable_prompts(config: EvaluationConfig) -> list[PromptRecord]:
    """The prompts that leave every policy room for an answer."""
    prompts = read_prompts(config.prompts)
    for policy in config.policies.values():
        prompts, _ = fitting(prompts, policy, config.engine, config.sampling)
    if not prompts:
        raise ProgramError(f"No prompt of {config.prompts} fits every policy: give shorter ones.")
    return prompts


def plan(config: EvaluationConfig, prompts: Sequence[PromptRecord]) -> list[Job]:
    """Jobs policy by policy, so that each worker swaps weights once a policy."""
    size = max(1, CHUNK_ANSWERS // config.samples_per_prompt)
    answer_jobs = [
        AnswerJob(policy=policy, prompts=part) for policy in config.policies for part in chunks(prompts, size)
    ]
    shown = readable(prompts, candidate(config), config.engine, config.sampling) if config.references else []
    divergence_jobs = [DivergenceJob(prompts=part) for part in chunks(shown, CHUNK_ANSWERS)]
    records = [] if config.holdout is None else list(read_records(config.holdout, PreferenceRecord))
    accuracy_jobs = [AccuracyJob(records=part) for part in chunks(records, CHUNK_RECORDS)]
    return [*answer_jobs, *divergence_jobs, *accuracy_jobs]


def candidate(config: EvaluationConfig) -> Path:
    """The folder of the policy that is compared with the others."""
    return next(iter(config.policies.values()))


def num_processes(config: EvaluationConfig) -> int:
    """How many workers share the jobs."""
    return num_workers(candidate(config), config.engine)


class Evaluator:
    """The reward model, the policy of the job in hand, and the jobs."""

    def __init__(self, config: EvaluationConfig, jobs: Sequence[Job], left: Sequence[int]) -> None:
        self._config = config
        self._jobs = jobs
        self._left = left
        self._num_engines = 2 * num_processes(config)
        self._reward_model = RewardEngine(config.reward_model, config.engine, num_engines=self._num_engines)
        self._policy: PolicyEngine | None = None

    def do(self, job: int) -> tuple[int, Report]:
        """Do what is left at the place `job`; its number among all jobs, and what came of it."""
        number = self._left[job]
        # The last bits depend on what the engines remember, and so on which jobs they did before.
        self._reward_model.forget_prompts()
        return number, self._report(self._jobs[number])

    def _report(self, what: Job) -> Report:
        """Sample and score answers, score held-out pairs, or show answers to the references."""
        if isinstance(what, AccuracyJob):
            return self._accuracy(what)
        return self._answers(what) if isinstance(what, AnswerJob) else self._divergence(what)

    def close(self) -> None:
        """Free both engines."""
        if self._policy is not None:
            self._policy.close()
        self._reward_model.close()

    def _holding(self, folder: Path) -> PolicyEngine:
        """The one engine, with the folder's weights moved into it."""
        if self._policy is None:
            self._policy = PolicyEngine(folder, self._config.engine, num_engines=self._num_engines)
        elif self._policy.folder != folder:
            self._policy.swap_weights(folder)
        self._policy.forget_prompts()
        return self._policy

    def _answers(self, job: AnswerJob) -> Report:
        policy = self._holding(self._config.policies[job.policy])
        seed = self._config.sampling.seed
        drawn = policy.answer(
            [policy.encode(prompt.context) for prompt in job.prompts],
            # Another policy draws with other random numbers: else equal models would give equal answers.
            [prompt_seed(seed, f"{job.policy}:{prompt.id}") for prompt in job.prompts],
            self._config.sampling,
            n=self._config.samples_per_prompt,
        )
        rewards = self._reward_model.rewards_many(
            [
                (prompt.context, [answer.message for answer in answers])
                for prompt, answers in zip(job.prompts, drawn, strict=True)
            ]
        )
        answers = [
            SampledAnswer(
                prompt_id=prompt.id,
                domain=prompt.domain,
                policy=job.policy,
                sample=sample,
                content=answer.content,
                reward=reward,
            )
            for prompt, row, scores in zip(job.prompts, drawn, rewards, strict=True)
            for sample, (answer, reward) in enumerate(zip(row, scores, strict=True))
        ]
        return Report(
            answers=answers,
            num_tokens=[answer.num_tokens for row in drawn for answer in row],
            num_prompts=len(job.prompts),
        )

    def _divergence(self, job: DivergenceJob) -> Report:
        found = log_ratios(
            self._holding,
            candidate(self._config),
            self._config.references,
            job.prompts,
            max_tokens=self._config.sampling.max_tokens,
            seed=self._config.sampling.seed,
        )
        return Report(log_ratios=found, num_prompts=len(job.prompts))

    def _accuracy(self, job: AccuracyJob) -> Report:
        rewards = self._reward_model.rewards_many(
            [
                (record.context, [spoken_by(response) for response in record.responses])
                for record in job.records
            ]
        )
        return Report(
            margins=[
                margin
                for record, scores in zip(job.records, rewards, strict=True)
                for margin in judged_margins(record, scores)
            ]
        )


def in_order(
    answers: Sequence[SampledAnswer], config: EvaluationConfig, prompts: Sequence[PromptRecord]
) -> list[SampledAnswer]:
    """Policy by policy, prompts as they were given, whichever worker was first."""
    policies = {name: place for place, name in enumerate(config.policies)}
    places = {prompt.id: place for place, prompt in enumerate(prompts)}
    return sorted(
        answers, key=lambda answer: (policies[answer.policy], places[answer.prompt_id], answer.sample)
    )


def win_rates(
    config: EvaluationConfig, answers: Sequence[SampledAnswer]
) -> dict[str, dict[str, Any]]:  # Any: figures, written as JSON
    """How often the first policy's answers have the higher reward than each other policy's."""
    by_prompt: dict[str, dict[str, list[SampledAnswer]]] = {name: {} for name in config.policies}
    for answer in answers:
        by_prompt[answer.policy].setdefault(answer.prompt_id, []).append(answer)
    first, *others = config.policies
    rates = {}
    for other in others:
        comparisons = {
            prompt: [
                (outcome(mine.reward, its.reward), float(len(mine.content) - len(its.content)))
                for mine in found
                for its in by_prompt[other][prompt]
            ]
            for prompt, found in by_prompt[first].items()
        }
        outcomes = {prompt: [won for won, _ in rows] for prompt, rows in comparisons.items()}
        rates[other] = {
            **win_rate(outcomes),
            "length_controlled": length_controlled_win_rate(comparisons),
        }
    return rates


def divergences(found: Sequence[AnswerLogRatio]) -> dict[str, dict[str, Any]]:  # Any: figures, as JSON
    """The divergence from each reference."""
    by_reference: dict[str, dict[str, list[tuple[float, int]]]] = {}
    for each in found:
        rows = by_reference.setdefault(each.reference, {}).setdefault(each.prompt_id, [])
        rows.append((each.log_ratio, each.num_tokens))
    return {reference: divergence(rows) for reference, rows in sorted(by_reference.items())}


def mean_tokens(config: EvaluationConfig, reports: Sequence[Report]) -> dict[str, float]:
    """The mean length of each policy's answers."""
    lengths: dict[str, list[int]] = {name: [] for name in config.policies}
    for report in reports:
        for answer, num_tokens in zip(report.answers, report.num_tokens, strict=True):
            lengths[answer.policy].append(num_tokens)
    return {name: fmean(found) for name, found in lengths.items()}


def write_samples(
    folder: RunFolder,
    config: EvaluationConfig,
    prompts: Sequence[PromptRecord],
    answers: Sequence[SampledAnswer],
) -> None:
    """The same few prompts' answers of every policy, for people to compare."""
    asked = {prompt.id: prompt.context[-1].content for prompt in prompts[:SAMPLES_PER_POLICY]}
    for answer in answers:
        if answer.prompt_id in asked and answer.sample == 0:
            folder.sample(asked[answer.prompt_id], answer.content, policy=answer.policy, reward=answer.reward)


if __name__ == "__main__":
    program_main(EvaluationConfig, run)
