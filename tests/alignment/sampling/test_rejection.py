"""Rejection sampling: the best of K is marked; prompts and files that cannot be used are refused."""

from pathlib import Path

import pytest

from alignment.programs import RejectionConfig, SamplingConfig
from alignment.records import Candidate
from alignment.sampling.candidates import candidate_set
from alignment.sampling.rejection import run
from pretrain.run import ProgramError, RunFolder
from tests.alignment.sampling.conftest import ENGINE, Models
from tests.alignment.sampling.factories import make_draw, make_prompts, write_file

K = 16


def make_config(models: Models, folder: Path, *, num_prompts: int) -> RejectionConfig:
    return RejectionConfig(
        policy=models.policy,
        reward_model=models.reward_model,
        prompts=write_file(folder / "prompts.jsonl", make_prompts(num_prompts)),
        num_candidates=K,
        sampling=SamplingConfig(max_tokens=16, seed=3),
        engine=ENGINE,
        out=folder / "candidates.jsonl",
    )


def test_the_first_of_equal_candidates_is_the_best() -> None:
    (prompt,) = make_prompts(1)
    candidates = [
        Candidate(content=str(reward), num_tokens=1, finish="stop", reward=reward)
        for reward in (0.0, 2.0, 2.0)
    ]

    assert candidate_set(make_draw(prompt), candidates).best == 1


def test_a_refused_candidate_is_never_the_best() -> None:
    (prompt,) = make_prompts(1)
    candidates = [
        Candidate(content="4", num_tokens=1, finish="stop", reward=0.0),
        Candidate(content="4", num_tokens=1, finish="malformed", reward=2.0, refused="form"),
    ]

    assert candidate_set(make_draw(prompt), candidates).best == 0
    assert candidate_set(make_draw(prompt), candidates[1:]).best is None


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
    config.out.write_text(candidate_set(make_draw(prompt), [candidate] * 3).model_dump_json() + "\n")

    with pytest.raises(ProgramError, match="holds 3 candidates a prompt, not 16"):
        run(config, RunFolder(tmp_path))


def test_a_shard_for_which_no_batch_is_left_finishes_without_an_engine(
    models: Models, tmp_path: Path
) -> None:
    config = make_config(models, tmp_path, num_prompts=3)
    folder = RunFolder(tmp_path)

    run(config.model_copy(update={"shard": 1, "num_shards": 2}), folder)

    result = folder.read_result()
    assert result is not None
    assert (result["num_prompts"], result["domains"], config.out.read_bytes()) == (0, {}, b"")
