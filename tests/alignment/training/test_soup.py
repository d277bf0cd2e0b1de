"""Greedy soups: what each kind of model is measured by, and which members stay."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification

from alignment.accuracy import judged_margins, pair_accuracy
from alignment.programs import AverageConfig, GreedySoupMethod
from alignment.training.average import run
from alignment.training.reward import reward_model_from
from annotation.records import PreferenceRecord, write_records
from pretrain.checkpoint_folder import load_causal_lm, save_checkpoint_folder
from pretrain.dialog import DialogEncoder
from pretrain.run import ProgramError, RunFolder
from tests.alignment.training.factories import make_base, make_preferences

JUDGEMENTS = make_preferences(40)


@pytest.fixture(scope="module")
def policies(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("policies")
    return [make_base(folder / f"base-{seed}", seed=seed) for seed in range(4)]


def soup(folder: Path, members: list[Path], **files: object) -> tuple[Path, dict[str, object]]:
    """The soup's checkpoint and the program's result."""
    write_records(folder / "holdout.jsonl", JUDGEMENTS)
    config = {
        "checkpoints": members,
        "method": GreedySoupMethod(name="greedy_soup"),
        "holdout": folder / "holdout.jsonl",
        "out": folder / "average",
        **files,
    }
    run(AverageConfig.model_validate(config), RunFolder(folder / "run"))
    result = RunFolder(folder / "run").read_result()
    assert result is not None
    assert [path.name for path in folder.iterdir() if path.name.startswith(".")] == []
    return folder / "average", result


def reward_model(folder: Path, base: Path, *, seed: int) -> Path:
    """A reward model with a random head."""
    model = reward_model_from(load_causal_lm(base), pad_id=2)
    torch.nn.init.normal_(model.score.weight, generator=torch.Generator().manual_seed(seed))
    save_checkpoint_folder(model, base, folder)
    return folder


def best_metric(result: dict[str, object], metric: str) -> float:
    """Of the soup as it was kept; its steps are checked on the way."""
    steps = result["soup"]
    assert isinstance(steps, list) and result["metric"] == metric
    assert result["kept"] == [step["member"] for step in steps if step["kept"]]
    assert steps[0]["kept"]
    best = steps[0][metric]
    for step in steps[1:]:
        assert step["kept"] == (step[metric] >= best)
        best = max(best, step[metric])
    return float(best)


def separate_rows(encoder: DialogEncoder, record: PreferenceRecord) -> tuple[int, list[list[int]]]:
    """How many tokens the context has, and the tokens of context and response for each response."""
    context = encoder.encode_context(record.context)
    return len(context), [context + encoder.encode_response(each.content)[0] for each in record.responses]


@torch.no_grad()
def plain_logprobs(folder: Path, *, with_end: bool) -> list[list[tuple[float, int]]]:
    """Each response's log-probability and number of tokens, from transformers and rows of their own."""
    encoder, model = DialogEncoder.from_folder(folder), load_causal_lm(folder)
    found = []
    for record in JUDGEMENTS:
        start, rows = separate_rows(encoder, record)
        of_record = []
        for row in rows:
            logits = model(input_ids=torch.tensor([row])).logits[0, :-1].log_softmax(-1)
            each = logits.gather(1, torch.tensor(row[1:])[:, None])[start - 1 :, 0]
            read = each if with_end else each[:-1]  # the last token ends the message
            of_record.append((float(read.double().sum()), len(read)))
        found.append(of_record)
    return found


def accuracy(rewards: list[list[float]]) -> float:
    margins = [
        margin
        for record, own in zip(JUDGEMENTS, rewards, strict=True)
        for margin in judged_margins(record, own)
    ]
    return float(pair_accuracy(margins)["accuracy"])


def test_a_reward_model_that_lowers_the_accuracy_is_left_out(policies: list[Path], tmp_path: Path) -> None:
    members = [reward_model(tmp_path / f"reward-{seed}", policies[0], seed=seed) for seed in range(3)]
    out, result = soup(tmp_path, members)
    assert isinstance(result["kept"], list) and 0 < len(result["kept"]) < 3
    heads = [load_file(members[place] / "model.safetensors")["score.weight"] for place in result["kept"]]
    found = load_file(out / "model.safetensors")["score.weight"]
    torch.testing.assert_close(found, torch.stack(heads).mean(0))
    encoder = DialogEncoder.from_folder(out)
    model = AutoModelForSequenceClassification.from_pretrained(out)
    with torch.no_grad():
        rewards = [
            [
                float(model(input_ids=torch.tensor([row])).logits[0, 0])
                for row in separate_rows(encoder, record)[1]
            ]
            for record in JUDGEMENTS
        ]
    assert best_metric(result, "accuracy") == accuracy(rewards)


def test_sft_models_are_measured_by_how_likely_they_find_the_best_responses(
    policies: list[Path], tmp_path: Path
) -> None:
    out, result = soup(tmp_path, policies[:3])
    best = [responses[0] for responses in plain_logprobs(out, with_end=True)]
    expected = sum(logprob for logprob, _ in best) / sum(num_tokens for _, num_tokens in best)
    assert best_metric(result, "log_likelihood") == pytest.approx(expected, abs=1e-5)


def test_dpo_models_are_measured_by_their_implicit_reward(policies: list[Path], tmp_path: Path) -> None:
    out, result = soup(tmp_path, policies[:3], reference=policies[3])
    own, base = (plain_logprobs(folder, with_end=False) for folder in (out, policies[3]))
    rewards = [
        [policy - reference for (policy, _), (reference, _) in zip(*both, strict=True)]
        for both in zip(own, base, strict=True)
    ]
    assert best_metric(result, "accuracy") == accuracy(rewards)


def test_held_out_judgements_that_are_all_too_long_are_a_sentence(
    policies: list[Path], tmp_path: Path
) -> None:
    with pytest.raises(ProgramError, match="are longer than 16 tokens: raise max_row_tokens"):
        soup(tmp_path, policies[:2], max_row_tokens=16)
