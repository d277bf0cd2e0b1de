"""Rejection sampling in shards: byte by byte what one program writes, also after a kill."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from alignment.programs import EngineConfig, GatherConfig, RejectionConfig, SamplingConfig
from alignment.records import CandidateSet
from alignment.rejection.figures import choosable_rewards
from alignment.rejection.recipe import DomainSampling, LanguageCheck, SystemPrompt
from alignment.sampling import gathering
from alignment.sampling.rejection import run
from annotation.records import read_records
from pretrain.run import ProgramError, RunFolder
from tests.alignment.sampling.conftest import ENGINE, Models
from tests.alignment.sampling.factories import make_prompts, write_file
from tests.alignment.sampling.model_factories import transformers_rewards

pytestmark = [pytest.mark.vllm, pytest.mark.filterwarnings("ignore::FutureWarning:vllm")]

REPOSITORY = Path(__file__).resolve().parents[3]
NUM_PROMPTS = 160
K = 16
POLITE = SystemPrompt(name="polite", text="Be polite.", share=0.5)


def make_config(models: Models, folder: Path, **values: object) -> RejectionConfig:
    """Two domains, two policies, a system prompt for half of the prompts: three batches and a short one."""
    prompts = [
        prompt.model_copy(update={"domain": "coding" if number % 10 == 9 else "sums"})
        for number, prompt in enumerate(make_prompts(NUM_PROMPTS))
    ]
    told: dict[str, Any] = {
        "policy": models.policy,
        "policy_name": "newest",
        "other_policies": {"coder": models.other},
        "domain_policies": {"coding": "coder"},
        "reward_model": models.reward_model,
        "prompts": write_file(folder / "prompts.jsonl", prompts),
        "num_candidates": K,
        "sampling": SamplingConfig(max_tokens=8, seed=3),
        "domains": {"coding": DomainSampling(temperature=0.7, max_tokens=5)},
        "system_prompts": (POLITE,),
        "language_check": LanguageCheck(domains=("poems",)),
        "engine": ENGINE,
        "out": folder / "candidates.jsonl",
        **values,
    }
    return RejectionConfig.model_validate(told)


@pytest.fixture(scope="module")
def whole(models: Models, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """The run folder of a program that did it all."""
    folder = RunFolder(tmp_path_factory.mktemp("whole"))
    config = make_config(models, folder.path)
    folder.write_config(config)
    run(config, folder)
    return folder


def candidates_of(folder: RunFolder) -> list[CandidateSet]:
    """What the program wrote."""
    return list(read_records(folder.path / "candidates.jsonl", CandidateSet))


def result_of(folder: RunFolder) -> dict[str, Any]:
    """The program's result."""
    result = folder.read_result()
    assert result is not None
    return result


def kill_after_the_first_batch(config: RejectionConfig, folder: RunFolder) -> bytes:
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


def test_three_shards_one_of_them_killed_write_what_one_program_writes(
    whole: RunFolder, models: Models, tmp_path: Path
) -> None:
    shards = [RunFolder(tmp_path / f"shard-{number}") for number in range(3)]
    configs = [
        make_config(models, tmp_path, shard=number, num_shards=3, out=shard.path / "candidates.jsonl")
        for number, shard in enumerate(shards)
    ]
    # One engine of two workers has as much memory as the only worker's: on how much there is depends what
    # is computed together.
    two_workers = EngineConfig(num_threads=2, kv_cache_gib=2 * ENGINE.kv_cache_gib)
    killed = configs[0].model_copy(update={"engine": two_workers})
    left_behind = kill_after_the_first_batch(killed, shards[0])
    num_done = left_behind.count(b"\n")
    assert 0 < num_done < 80
    configs[0].out.write_bytes(left_behind + b'{"prompt": {"id": "prompt-2')

    for config, shard in zip(configs, shards, strict=True):
        shard.write_config(config)
        run(config, shard)
    gathered = RunFolder(tmp_path / "gathered")
    gathering.run(
        GatherConfig(shards=tuple(shard.path for shard in shards), out=gathered.path / "candidates.jsonl"),
        gathered,
    )

    assert set(left_behind.splitlines()) <= set(configs[0].out.read_bytes().splitlines())
    dones = [(row["done"], row["total"]) for row in shards[0].read_metrics("progress")]
    assert (num_done, 80) in dones
    assert dones[-1] == (80, 80)
    assert (gathered.path / "candidates.jsonl").read_bytes() == (whole.path / "candidates.jsonl").read_bytes()
    assert timeless(result_of(gathered)) == timeless(result_of(whole))
    spent = sum(result_of(shard)["seconds"] for shard in shards)
    assert result_of(gathered)["seconds"] == pytest.approx(spent, abs=0.01)


def timeless(result: dict[str, Any]) -> dict[str, Any]:
    """A result without the seconds it took."""
    domains = {domain: each | {"seconds": 0} for domain, each in result["domains"].items()}
    return result | {"seconds": 0, "domains": domains}


def test_a_shard_that_has_not_finished_is_not_gathered(tmp_path: Path) -> None:
    with pytest.raises(ProgramError, match="let that shard finish first"):
        gathering.run(GatherConfig(shards=(tmp_path / "a",), out=tmp_path / "out"), RunFolder(tmp_path))


def test_each_domain_has_its_policy_its_sampling_and_its_figures(whole: RunFolder) -> None:
    found = candidates_of(whole)
    assert [each.prompt.id for each in found] == [f"prompt-{number}" for number in range(NUM_PROMPTS)]
    assert {(each.prompt.domain, each.policy) for each in found} == {("sums", "newest"), ("coding", "coder")}
    most = {"sums": 8, "coding": 5}
    for domain, num_tokens in most.items():
        own = [candidate for each in found if each.prompt.domain == domain for candidate in each.candidates]
        assert max(candidate.num_tokens for candidate in own) == num_tokens
    result = result_of(whole)
    assert result["policies"] == {"newest": 144, "coder": 16}
    assert {name: each["num_prompts"] for name, each in result["domains"].items()} == {
        "coding": 16,
        "sums": 144,
    }
    assert result["seconds"] > 0
    assert result["unmatched_domains"] == ["poems"]
    assert result["reward_by_k"]["1"] < result["reward_by_k"]["4"] < result["reward_by_k"]["16"]
    assert result["reward_by_k"]["16"] == pytest.approx(result["mean_best_reward"])
    assert list(whole.read_metrics("sample"))


def test_a_system_prompt_is_asked_recorded_and_scored_with(whole: RunFolder, models: Models) -> None:
    found = candidates_of(whole)
    polite = [each for each in found if each.system_prompt == "polite"]
    assert result_of(whole)["system_prompts"] == {"polite": len(polite)}
    assert NUM_PROMPTS / 3 < len(polite) < 2 * NUM_PROMPTS / 3
    for each in found:
        roles = [message.role for message in each.prompt.context]
        assert roles == (["system", "user"] if each.system_prompt else ["user"])
    check_rewards(polite[3], models.reward_model)


def check_rewards(found: CandidateSet, reward_model: Path) -> None:
    """K candidates with the reward model's rewards after their context, the best of them marked."""
    candidates = [each for each in found.candidates if each.finish != "tool_call"]
    contents = [candidate.content for candidate in candidates]
    assert len(set(contents)) > K // 2
    expected = transformers_rewards(reward_model, found.prompt.context, contents)
    assert [candidate.reward for candidate in candidates] == pytest.approx(expected, abs=1e-4)
    assert found.best is not None
    assert found.candidates[found.best].reward == max(choosable_rewards(found))


def test_answers_that_have_not_the_form_of_one_are_refused(whole: RunFolder) -> None:
    candidates = [candidate for each in candidates_of(whole) for candidate in each.candidates]
    counts = Counter(candidate.finish for candidate in candidates)
    # Models of random weights draw special tokens as often as others.
    assert min(counts[name] for name in ("stop", "malformed", "length")) > 20
    assert result_of(whole)["num_finished"] == counts
    assert result_of(whole)["num_refused"] == {"form": counts["malformed"]}
    assert {candidate.finish for candidate in candidates if candidate.refused} == {"malformed"}
