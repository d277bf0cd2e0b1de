"""Rejection sampling: K candidates of each prompt, the best marked, and nothing done twice after a kill."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from statistics import fmean

import pytest

from alignment.programs import EngineConfig, RejectionConfig, SamplingConfig
from alignment.records import Candidate, CandidateSet
from alignment.sampling.rejection import candidate_set, diagnostics, run
from annotation.records import read_records
from pretrain.run import ProgramError, RunFolder
from tests.alignment.sampling.conftest import ENGINE, Models
from tests.alignment.sampling.factories import make_prompts, write_file
from tests.alignment.sampling.model_factories import transformers_rewards

REPOSITORY = Path(__file__).resolve().parents[3]
NUM_PROMPTS = 300
K = 16


def make_config(
    models: Models, folder: Path, *, num_prompts: int, engine: EngineConfig = ENGINE
) -> RejectionConfig:
    return RejectionConfig(
        policy=models.policy,
        reward_model=models.reward_model,
        prompts=write_file(folder / "prompts.jsonl", make_prompts(num_prompts)),
        num_candidates=K,
        sampling=SamplingConfig(max_tokens=16, seed=3),
        engine=engine,
        out=folder / "candidates.jsonl",
    )


def kill_after_the_first_chunk(config: RejectionConfig, folder: RunFolder) -> bytes:
    """Start the program, kill it without warning once `out` has something; what `out` holds then."""
    folder.write_config(config)
    process = subprocess.Popen(
        [sys.executable, "-m", "alignment.sampling.rejection", str(folder.config_path)],
        cwd=REPOSITORY,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        while not (config.out.exists() and config.out.stat().st_size):
            assert process.poll() is None, folder.read_error()
            time.sleep(0.02)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    return config.out.read_bytes()


@pytest.mark.vllm
@pytest.mark.filterwarnings("ignore::FutureWarning:vllm")
def test_a_killed_program_goes_on_where_it_stood(models: Models, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    two_workers = EngineConfig(num_threads=2, kv_cache_gib=0.2)
    config = make_config(models, tmp_path, num_prompts=NUM_PROMPTS, engine=two_workers)
    left_behind = kill_after_the_first_chunk(config, folder)
    num_done = left_behind.count(b"\n")
    assert 0 < num_done < NUM_PROMPTS
    config.out.write_bytes(left_behind + b'{"prompt": {"id": "prompt-2')

    run(config.model_copy(update={"engine": ENGINE}), folder)

    text = config.out.read_bytes()
    assert set(left_behind.splitlines()) <= set(text.splitlines())
    found = list(read_records(config.out, CandidateSet))
    assert [each.prompt.id for each in found] == [f"prompt-{number}" for number in range(NUM_PROMPTS)]
    result = folder.read_result()
    assert result is not None
    assert result["num_prompts"] == NUM_PROMPTS
    assert result["reward_by_k"]["1"] < result["reward_by_k"]["4"] < result["reward_by_k"]["16"]
    assert result["reward_by_k"]["16"] == result["mean_best_reward"]
    dones = [(row["done"], row["total"]) for row in folder.read_metrics("progress")]
    assert (num_done, NUM_PROMPTS) in dones
    assert dones[-1] == (NUM_PROMPTS, NUM_PROMPTS)
    assert list(folder.read_metrics("sample"))
    check_candidates(found[7], models.reward_model)


def check_candidates(found: CandidateSet, reward_model: Path) -> None:
    """K candidates with the reward model's rewards, the best of them marked."""
    rewards = [candidate.reward for candidate in found.candidates]
    contents = [candidate.content for candidate in found.candidates]
    assert len(set(contents)) > K // 2
    expected = transformers_rewards(reward_model, found.prompt.context, contents)
    assert rewards == pytest.approx(expected, abs=1e-4)
    assert rewards[found.best] == max(reward for reward in rewards if reward is not None)


def test_the_first_of_equal_candidates_is_the_best() -> None:
    (prompt,) = make_prompts(1)
    candidates = [
        Candidate(content=str(reward), num_tokens=1, finish="stop", reward=reward)
        for reward in (0.0, 2.0, 2.0)
    ]

    assert candidate_set(prompt, candidates).best == 1


def test_the_figures_of_a_result_are_those_of_the_candidates() -> None:
    found = [
        candidate_set(
            prompt,
            [
                Candidate(content="", num_tokens=2, finish="length", reward=reward)
                for reward in (float(number), 3.0, -1.0)
            ],
        )
        for number, prompt in enumerate(make_prompts(2))
    ]

    figures = diagnostics(found)

    assert figures["num_tokens"] == 12
    assert figures["mean_reward"] == fmean([0, 3, -1, 1, 3, -1])
    assert figures["reward_by_k"] == {"1": 0.5, "2": 3.0, "3": 3.0}
    assert figures["share_above_median"] == 1.0


@pytest.mark.parametrize(
    ("prompts", "sentence"),
    [
        ("", "holds no prompts"),
        ('{"id": "1"}\n', "holds a line that is no prompt"),
        ((make_prompts(1)[0].model_dump_json() + "\n") * 2, "holds an id twice"),
        (
            make_prompts(1)[0]
            .model_copy(update={"domain": "d"})
            .model_dump_json()
            .replace("What", "x" * 300),
            "give shorter ones",
        ),
    ],
)
def test_prompts_that_cannot_be_used_are_refused_before_any_model_is_loaded(
    prompts: str, sentence: str, models: Models, tmp_path: Path
) -> None:
    config = make_config(models, tmp_path, num_prompts=1)
    config.prompts.write_text(prompts)

    with pytest.raises(ProgramError, match=sentence):
        run(config, RunFolder(tmp_path))


def test_candidates_of_another_k_are_refused(models: Models, tmp_path: Path) -> None:
    config = make_config(models, tmp_path, num_prompts=1)
    (prompt,) = make_prompts(1)
    candidate = Candidate(content="4", num_tokens=2, finish="stop", reward=0.0)
    config.out.write_text(candidate_set(prompt, [candidate] * 3).model_dump_json() + "\n")

    with pytest.raises(ProgramError, match="holds 3 candidates a prompt, not 16"):
        run(config, RunFolder(tmp_path))
