"""`python -m alignment.sampling.rejection run.json`: K answers a prompt, scored, the best marked.

Comes in: a policy, a reward model, PromptRecords. Goes out: a JSONL of CandidateSets and the result that
RejectionConfig describes. Prompts are done in chunks, each appended to `out` when it is scored, so that a
killed program goes on where it stood; at the end `out` is put into the prompts' order.
"""

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, median
from typing import Any

from pydantic import ValidationError

from alignment.programs import RejectionConfig
from alignment.records import Candidate, CandidateSet, PromptRecord
from alignment.sampling.engine import Answer, PolicyEngine, RewardEngine, num_workers, prompt_seed
from alignment.sampling.prompts import chunks, fitting, read_prompts
from alignment.sampling.workers import run_jobs
from annotation.records import write_records
from pretrain.run import ProgramError, RunFolder, program_main

CHUNK_ANSWERS = 1024
"""Answers drawn between two appends to `out`: four times what an engine has in hand at once."""

MAX_SAMPLES = 20
"""Answers written into metrics.jsonl for people to read."""


def run(config: RejectionConfig, folder: RunFolder) -> None:
    """The program. Raises ProgramError for prompts or an `out` that cannot be used."""
    prompts, num_skipped = fitting(
        read_prompts(config.prompts), config.policy, config.engine, config.sampling
    )
    if not prompts:
        raise ProgramError(f"No prompt of {config.prompts} fits the policy: give shorter ones.")
    finished = read_finished(config, prompts)
    left = [prompt for prompt in prompts if prompt.id not in finished]
    jobs = chunks(left, max(1, CHUNK_ANSWERS // config.num_candidates))
    folder.progress(len(prompts) - len(left), len(prompts), "prompts")
    num_samples = 0

    def keep(found: list[CandidateSet]) -> None:
        nonlocal num_samples
        append(config.out, found)
        finished.update({each.prompt.id: each for each in found})
        folder.progress(len(finished), len(prompts), "prompts")
        if num_samples < MAX_SAMPLES:
            num_samples += 1
            write_sample(folder, found[0])

    run_jobs(
        len(jobs),
        num_processes=num_workers(config.policy, config.engine),
        start=lambda: Sampler(config, jobs),
        on_report=keep,
    )
    ordered = [finished[prompt.id] for prompt in prompts]
    write_records(config.out, ordered)
    folder.finish({**diagnostics(ordered), "num_skipped": num_skipped})


class Sampler:
    """Both models, and the jobs to do with them."""

    def __init__(self, config: RejectionConfig, jobs: Sequence[Sequence[PromptRecord]]) -> None:
        num_engines = 2 * num_workers(config.policy, config.engine)
        self._config = config
        self._jobs = jobs
        self._policy = PolicyEngine(config.policy, config.engine, num_engines=num_engines)
        self._reward_model = RewardEngine(config.reward_model, config.engine, num_engines=num_engines)

    def do(self, job: int) -> list[CandidateSet]:
        """Sample and score a job's prompts."""
        prompts = self._jobs[job]
        answers = self._policy.answer(
            [self._policy.encode(prompt.context) for prompt in prompts],
            [prompt_seed(self._config.sampling.seed, prompt.id) for prompt in prompts],
            self._config.sampling,
            n=self._config.num_candidates,
        )
        rewards = self._reward_model.rewards_many(
            [
                (prompt.context, [answer.content for answer in drawn])
                for prompt, drawn in zip(prompts, answers, strict=True)
            ]
        )
        return [
            candidate_set(prompt, [candidate(*each) for each in zip(drawn, scores, strict=True)])
            for prompt, drawn, scores in zip(prompts, answers, rewards, strict=True)
        ]

    def close(self) -> None:
        """Free both engines."""
        self._policy.close()
        self._reward_model.close()


def candidate(answer: Answer, reward: float) -> Candidate:
    """An answer and its reward as a record."""
    return Candidate(
        content=answer.content, num_tokens=answer.num_tokens, finish=answer.finish, reward=reward
    )


def candidate_set(prompt: PromptRecord, candidates: Sequence[Candidate]) -> CandidateSet:
    """The candidates with the best marked: the highest reward, the first of equals."""
    rewards = [rewarded(candidate) for candidate in candidates]
    return CandidateSet(
        prompt=prompt, candidates=tuple(candidates), best=max(range(len(rewards)), key=rewards.__getitem__)
    )


def rewarded(candidate: Candidate) -> float:
    """The reward of a candidate that has one."""
    assert candidate.reward is not None, candidate
    return candidate.reward


def read_finished(config: RejectionConfig, prompts: Sequence[PromptRecord]) -> dict[str, CandidateSet]:
    """What an earlier run left of these prompts in `out`, by prompt id.

    The rest is dropped from `out`: a line that a kill cut off, a prompt that was changed. Raises
    ProgramError where it holds another number of candidates.
    """
    if not config.out.exists():
        config.out.parent.mkdir(parents=True, exist_ok=True)
        return {}
    asked = {prompt.id: prompt for prompt in prompts}
    finished: dict[str, CandidateSet] = {}
    for line in config.out.read_bytes().splitlines():
        try:
            found = CandidateSet.model_validate_json(line)
        except ValidationError:
            continue
        if len(found.candidates) != config.num_candidates:
            raise ProgramError(
                f"{config.out} holds {len(found.candidates)} candidates a prompt, "
                f"not {config.num_candidates}: remove it or name another file."
            )
        if found.prompt == asked.get(found.prompt.id):
            finished[found.prompt.id] = found
    write_records(config.out, finished.values())
    return finished


def append(out: Path, found: Sequence[CandidateSet]) -> None:
    """Add a chunk's records in one write."""
    text = "".join(each.model_dump_json() + "\n" for each in found)
    with out.open("a", encoding="utf-8") as lines:
        lines.write(text)


def write_sample(folder: RunFolder, found: CandidateSet) -> None:
    """One prompt's best answer, and how much better than the mean it is."""
    rewards = [rewarded(candidate) for candidate in found.candidates]
    folder.sample(
        found.prompt.context[-1].content,
        found.candidates[found.best].content,
        reward=rewards[found.best],
        mean_reward=fmean(rewards),
    )


def diagnostics(found: Sequence[CandidateSet]) -> dict[str, Any]:  # Any: figures, written as JSON
    """The figures of the result."""
    num_candidates = len(found[0].candidates)
    rewards = [[rewarded(candidate) for candidate in each.candidates] for each in found]
    powers = [2**power for power in range(num_candidates.bit_length())]
    return {
        "num_prompts": len(found),
        "num_tokens": sum(candidate.num_tokens for each in found for candidate in each.candidates),
        "mean_reward": fmean(reward for row in rewards for reward in row),
        "mean_best_reward": fmean(max(row) for row in rewards),
        "reward_by_k": {
            str(k): fmean(max(row[:k]) for row in rewards) for k in sorted({*powers, num_candidates})
        },
        "share_above_median": fmean(max(row) > median(row) for row in rewards),
    }


if __name__ == "__main__":
    program_main(RejectionConfig, run)
