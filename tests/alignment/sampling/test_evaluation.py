"""Evaluation: policies' answers scored, the first compared with the others, the reward model measured."""

from pathlib import Path

import pytest

from alignment.accuracy import judged_margins, pair_accuracy
from alignment.calibration import calibration
from alignment.programs import EvaluationConfig, SamplingConfig
from alignment.records import SampledAnswer
from alignment.sampling.evaluation import run
from alignment.sampling.evaluation_jobs import JOURNAL, Journal
from annotation.records import read_records
from pretrain.run import RunFolder
from tests.alignment.sampling.conftest import ENGINE, Models
from tests.alignment.sampling.factories import make_preferences, make_prompts, write_file
from tests.alignment.sampling.model_factories import transformers_rewards

pytestmark = [pytest.mark.vllm, pytest.mark.filterwarnings("ignore::FutureWarning:vllm")]

NUM_PROMPTS = 30


def test_policies_are_compared_and_the_reward_model_is_measured(
    models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    preferences = make_preferences(25)
    config = EvaluationConfig(
        policies={"candidate": models.other, "same": models.other, "base": models.policy},
        references={"base": models.policy},
        reward_model=models.reward_model,
        prompts=write_file(tmp_path / "prompts.jsonl", make_prompts(NUM_PROMPTS)),
        holdout=write_file(tmp_path / "holdout.jsonl", preferences),
        samples_per_prompt=2,
        sampling=SamplingConfig(max_tokens=12),
        engine=ENGINE,
        answers=tmp_path / "answers.jsonl",
    )
    folder = RunFolder(tmp_path)

    with monkeypatch.context() as patched:
        patched.setattr(Journal, "discard", lambda _: None)  # what a kill at the very end leaves
        run(config, folder)

    answers = list(read_records(config.answers, SampledAnswer))
    assert [(answer.policy, answer.prompt_id, answer.sample) for answer in answers] == [
        (policy, f"prompt-{number}", sample)
        for policy in config.policies
        for number in range(NUM_PROMPTS)
        for sample in range(2)
    ]
    result = folder.read_result()
    assert result is not None
    assert set(result["win_rate"]) == {"same", "base"}
    assert result["win_rate"]["same"]["low"] < 0.5 < result["win_rate"]["same"]["high"]
    assert result["win_rate"]["base"]["comparisons"] == NUM_PROMPTS * 4
    equal = result["win_rate"]["same"]["length_controlled"]
    assert equal["low"] < 0.5 < equal["high"]
    assert set(result["mean_reward"]) == set(result["mean_tokens"]) == set(config.policies)
    assert result["num_tokens"] == round(sum(result["mean_tokens"].values()) * NUM_PROMPTS * 2)
    scores = [
        transformers_rewards(
            models.reward_model, record.context, [response.content for response in record.responses]
        )
        for record in preferences
    ]
    pairs = [
        margin
        for record, rewards in zip(preferences, scores, strict=True)
        for margin in judged_margins(record, rewards)
    ]
    # Margins near zero could differ in sign between the two engines; these are far from it.
    assert min(abs(margin) for _, margin in pairs) > 1e-3
    assert result["reward_model"] == pair_accuracy(pairs)
    assert result["calibration"]["nll"] == pytest.approx(calibration(pairs)["nll"], abs=1e-4)
    assert list(folder.read_metrics("progress"))[-1]["done"] == NUM_PROMPTS * 4
    assert result["kl"]["base"]["num_answers"] == NUM_PROMPTS
    assert result["kl"]["base"]["per_answer"]["low"] > 0

    # Killed before its second job was written down whole, it goes on to the same bytes.
    written = config.answers.read_bytes()
    lines = (tmp_path / JOURNAL).read_bytes().splitlines(keepends=True)
    (tmp_path / JOURNAL).write_bytes(b"".join([lines[0], *lines[2:], lines[1][:100]]))
    config.answers.unlink()
    run(config, folder)
    assert config.answers.read_bytes() == written
    assert folder.read_result() == result
    assert not (tmp_path / JOURNAL).exists()
