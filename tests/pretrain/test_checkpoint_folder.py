"""Checkpoint folders: transformers loads them, the canary holds, damaged ones are refused."""

import json
from pathlib import Path

import pytest
import torch
from torch import nn
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer
from transformers.models.llama.configuration_llama import LlamaConfig
from transformers.models.llama.modeling_llama import LlamaForCausalLM, LlamaForSequenceClassification

from pretrain.checkpoint_check import check_checkpoint_folder
from pretrain.checkpoint_folder import CANARY_TOKENS, load_causal_lm, logprobs, save_checkpoint_folder
from pretrain.dialog import CHAT_TEMPLATE, DialogEncoder
from pretrain.encoders import encoder_for
from pretrain.run import ProgramError
from tests.pretrain.factories import small_model
from tests.pretrain.foreign_folders import family, make_foreign_folder

IDS = torch.arange(10, 40)[None]


@pytest.fixture
def checkpoint(tokenizer_folder: Path, tmp_path: Path) -> Path:
    save_checkpoint_folder(small_model(tokenizer_folder), tokenizer_folder, tmp_path / "checkpoint")
    return tmp_path / "checkpoint"


def test_transformers_loads_the_folder_with_the_same_logits(tokenizer_folder: Path, checkpoint: Path) -> None:
    model = small_model(tokenizer_folder).eval()
    loaded = AutoModelForCausalLM.from_pretrained(checkpoint)
    assert loaded.dtype == torch.float32
    with torch.no_grad():
        assert torch.equal(loaded(input_ids=IDS).logits, model(input_ids=IDS).logits)
    assert AutoTokenizer.from_pretrained(checkpoint).chat_template == CHAT_TEMPLATE
    encoder = DialogEncoder.from_folder(checkpoint)
    assert loaded.generation_config.eos_token_id == list(encoder.stop_ids)
    assert loaded.config.pad_token_id == encoder.pad_id


def test_the_canary_is_the_models_own_log_probabilities(checkpoint: Path) -> None:
    canary = json.loads((checkpoint / "canary.json").read_text())
    assert len(canary["token_ids"]) == CANARY_TOKENS
    model = AutoModelForCausalLM.from_pretrained(checkpoint)
    with torch.no_grad():
        probabilities = model(input_ids=torch.tensor([canary["token_ids"]])).logits[0].softmax(-1)
    expected = [
        float(probabilities[place, token].log()) for place, token in enumerate(canary["token_ids"][1:])
    ]
    assert canary["logprobs"] == pytest.approx(expected, abs=1e-5)


def test_other_weights_give_another_canary(tokenizer_folder: Path, checkpoint: Path) -> None:
    canary = json.loads((checkpoint / "canary.json").read_text())
    other = logprobs(small_model(tokenizer_folder, seed=1), canary["token_ids"])
    assert max(abs(a - b) for a, b in zip(other, canary["logprobs"], strict=True)) > 0.01


def test_a_folder_is_replaced_whole(tokenizer_folder: Path, checkpoint: Path) -> None:
    (checkpoint / "left-over").write_text("")
    save_checkpoint_folder(small_model(tokenizer_folder, seed=1), tokenizer_folder, checkpoint)
    assert sorted(file.name for file in checkpoint.iterdir()) == [
        "canary.json",
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    assert [file.name for file in checkpoint.parent.iterdir()] == ["checkpoint"]


def test_a_half_precision_model_is_saved_in_full(tokenizer_folder: Path, tmp_path: Path) -> None:
    model = small_model(tokenizer_folder).bfloat16()
    save_checkpoint_folder(model, tokenizer_folder, tmp_path / "out")
    loaded = load_causal_lm(tmp_path / "out")
    assert {parameter.dtype for parameter in loaded.parameters()} == {torch.float32}
    canary = json.loads((tmp_path / "out" / "canary.json").read_text())
    assert logprobs(loaded, canary["token_ids"]) == pytest.approx(canary["logprobs"], abs=1e-6)


def test_tied_embeddings_are_untied_on_loading_and_on_saving(tokenizer_folder: Path, tmp_path: Path) -> None:
    tied: nn.Module = small_model(tokenizer_folder)
    tied.config.tie_word_embeddings = True
    tied.lm_head.weight = tied.model.embed_tokens.weight
    save_checkpoint_folder(tied, tokenizer_folder, tmp_path / "saved")
    config = json.loads((tmp_path / "saved" / "config.json").read_text())
    assert config["tie_word_embeddings"] is False

    tied.save_pretrained(tmp_path / "imported")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / "imported" / name).write_text((tokenizer_folder / name).read_text())
    for folder in ("saved", "imported"):
        loaded = load_causal_lm(tmp_path / folder)
        assert loaded.lm_head.weight is not loaded.model.embed_tokens.weight
        assert torch.equal(loaded.lm_head.weight, tied.lm_head.weight)
        assert not loaded.config.tie_word_embeddings


def test_a_reward_model_folder_has_no_canary(tokenizer_folder: Path, tmp_path: Path) -> None:
    config = small_model(tokenizer_folder).config
    config.num_labels = 1
    model = LlamaForSequenceClassification(config).eval()
    save_checkpoint_folder(model, tokenizer_folder, tmp_path / "reward")
    assert not (tmp_path / "reward" / "canary.json").exists()
    loaded = AutoModelForSequenceClassification.from_pretrained(tmp_path / "reward")
    assert loaded.config.num_labels == 1
    for name, weight in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], weight), name
    with torch.no_grad():
        # The last bit of a product depends on where in memory the weights lie.
        torch.testing.assert_close(loaded(input_ids=IDS).logits, model(input_ids=IDS).logits)
    with pytest.raises(ProgramError, match="no causal language model"):
        load_causal_lm(tmp_path / "reward")


def test_a_tokenizer_of_someone_elses_keeps_its_chat_template(tmp_path: Path) -> None:
    kind = family("chatml")
    tokenizer = make_foreign_folder(tmp_path / "tokenizer", kind)
    (tokenizer / "special_tokens_map.json").write_text(json.dumps(kind.settings))
    encoder = encoder_for(tokenizer)
    model = make_model_for(encoder.vocabulary_size)
    save_checkpoint_folder(model, tokenizer, tmp_path / "checkpoint")

    check_checkpoint_folder(tmp_path / "checkpoint")
    load_causal_lm(tmp_path / "checkpoint")
    assert AutoTokenizer.from_pretrained(tmp_path / "checkpoint").chat_template == kind.template
    assert (tmp_path / "checkpoint" / "special_tokens_map.json").is_file()
    written = json.loads((tmp_path / "checkpoint" / "generation_config.json").read_text())
    assert written["eos_token_id"] == list(encoder.stop_ids)
    assert written["bos_token_id"] is None
    assert encoder_for(tmp_path / "checkpoint").stop_ids == encoder.stop_ids


def make_model_for(num_tokens: int) -> LlamaForCausalLM:
    """A tiny model with so many tokens."""
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=num_tokens,
            hidden_size=16,
            intermediate_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            tie_word_embeddings=False,
        )
    )


def test_a_damaged_folder_is_refused_in_one_sentence(checkpoint: Path) -> None:
    check_checkpoint_folder(checkpoint)
    weights = checkpoint / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1])
    with pytest.raises(ProgramError, match=r"model\.safetensors is cut short or damaged"):
        check_checkpoint_folder(checkpoint)
    weights.write_bytes(b"version https://example.org/pointer")
    with pytest.raises(ProgramError, match="cut short or damaged"):
        check_checkpoint_folder(checkpoint)
    weights.unlink()
    with pytest.raises(ProgramError, match=r"lacks model\.safetensors"):
        check_checkpoint_folder(checkpoint)
    (checkpoint / "config.json").write_text("[]")
    with pytest.raises(ProgramError, match="no JSON object"):
        check_checkpoint_folder(checkpoint)
    with pytest.raises(ProgramError, match="There is no folder"):
        check_checkpoint_folder(checkpoint / "nowhere")


def test_a_model_smaller_than_its_tokenizer_is_refused(checkpoint: Path) -> None:
    config = json.loads((checkpoint / "config.json").read_text())
    (checkpoint / "config.json").write_text(json.dumps(config | {"vocab_size": 100}))
    with pytest.raises(ProgramError, match="has 330 tokens but the model only 100"):
        check_checkpoint_folder(checkpoint)
