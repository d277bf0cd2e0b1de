"""Checkpoint folders: Hugging Face folders that transformers and vLLM load, written whole or not at all.

Comes in: a model and the folder whose tokenizer it speaks. Goes out: a folder with config.json,
model.safetensors (fp32, embeddings never tied), the tokenizer with the chat template that it has or the
dialog protocol's, and for causal language models generation_config.json and canary.json: a fixed text's
token ids and the log-probability of each but the first, the check that a running vLLM really holds these
weights.
"""

import copy
import json
import shutil
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers.models.llama.modeling_llama import LlamaForCausalLM

from pretrain.checkpoint_check import check_checkpoint_folder
from pretrain.dialog import BEGIN_OF_TEXT, CHAT_TEMPLATE, EOT, PAD
from pretrain.disk import require_space
from pretrain.encoders import Encoder, encoder_for, speaks_protocol
from pretrain.run import ProgramError
from pretrain.whole_folder import whole_folder

CANARY_TEXT = (
    "The quick brown fox jumps over the lazy dog, and 12 + 30 = 42: is that what you asked for, my friend?"
)
CANARY_TOKENS = 32

TOKENIZER_FILES = (
    *("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"),
    *("chat_template.jinja", "chat_template.json", "tokenizer.model", "vocab.json", "merges.txt"),
)
"""What a tokenizer of someone else's may consist of."""


def save_checkpoint_folder(model: nn.Module, tokenizer_folder: Path, out: Path) -> None:
    """Write `model` (a transformers model) with the tokenizer of `tokenizer_folder` to `out`.

    Written aside and renamed; a folder already at `out` is replaced. Raises ProgramError when the
    tokenizer has neither the protocol's tokens nor a chat template that can be used.
    """
    encoder = encoder_for(tokenizer_folder)
    num_weights = sum(weight.numel() for weight in model.state_dict().values())
    require_space(Path(out).parent, num_weights * torch.float32.itemsize, "the trained model")
    with whole_folder(out) as aside:
        write_tokenizer(Path(tokenizer_folder), aside)
        write_config(model, encoder, aside)
        write_weights(model, aside)
        if "ForCausalLM" in type(model).__name__:
            write_generation_config(encoder, aside)
            write_canary(model, encoder, aside)


def load_causal_lm(path: Path) -> nn.Module:
    """The causal language model of a checkpoint folder, in fp32 on the CPU, embeddings untied.

    Llama, or any architecture that transformers knows. Raises ProgramError when the folder is not one.
    """
    check_checkpoint_folder(path)
    config = json.loads((Path(path) / "config.json").read_text(encoding="utf-8"))
    model_class = LlamaForCausalLM if config["model_type"] == "llama" else transformers.AutoModelForCausalLM
    transformers.utils.logging.disable_progress_bar()
    model, loading = model_class.from_pretrained(path, dtype=torch.float32, output_loading_info=True)
    if loading["missing_keys"]:
        raise ProgramError(f"{path} lacks the weights {', '.join(sorted(loading['missing_keys'])[:3])}.")
    return untie(model)


def untie(model: nn.Module) -> nn.Module:
    """Give the LM head its own weights: vLLM keeps stale ones of tied embeddings after a swap."""
    if model.config.tie_word_embeddings:
        model.config.tie_word_embeddings = False
        head = model.get_output_embeddings()
        head.weight = nn.Parameter(head.weight.detach().clone())
    return model


def write_generation_config(encoder: Encoder, out: Path) -> None:
    """generation_config.json: where a sampler begins, stops and pads."""
    settings = {
        "bos_token_id": encoder.begin_of_text_id,
        "eos_token_id": list(encoder.stop_ids),
        "pad_token_id": encoder.pad_id,
        "do_sample": True,
    }
    write_json(out / "generation_config.json", settings)


def write_canary(model: nn.Module, encoder: Encoder, out: Path) -> None:
    """canary.json: the fixed text's token ids, and what `model` says of them."""
    token_ids = canary_token_ids(encoder)
    write_json(out / "canary.json", {"token_ids": token_ids, "logprobs": logprobs(model, token_ids)})


def canary_token_ids(encoder: Encoder) -> list[int]:
    """begin_of_text and the fixed text's first tokens."""
    return encoder.encode_documents([CANARY_TEXT])[0][:CANARY_TOKENS]


@torch.no_grad()
def logprobs(model: nn.Module, token_ids: list[int]) -> list[float]:
    """Log-probability of each token but the first given those before it, in fp32."""
    was_training = model.training
    if any(parameter.dtype != torch.float32 for parameter in model.parameters()):
        model = copy.deepcopy(model).float()
    model.eval()
    ids = torch.tensor([token_ids], device=next(model.parameters()).device)
    logits = model(input_ids=ids, use_cache=False).logits[0, :-1]
    found = logits.log_softmax(-1).gather(1, ids[0, 1:, None])[:, 0]
    model.train(was_training)
    return [float(value) for value in found]


def write_tokenizer(source: Path, out: Path) -> None:
    """Copy the tokenizer: with its own chat template as it is, else with the dialog protocol's.

    A chat_template.jinja with our own stays behind: it would win over the one in tokenizer_config.json.
    """
    if not speaks_protocol(source):
        for name in TOKENIZER_FILES:
            if (source / name).is_file():
                shutil.copyfile(source / name, out / name)
        return
    shutil.copyfile(source / "tokenizer.json", out / "tokenizer.json")
    settings: dict[str, Any] = {"tokenizer_class": "PreTrainedTokenizerFast"}  # Any: JSON
    if (source / "tokenizer_config.json").is_file():
        settings = json.loads((source / "tokenizer_config.json").read_text(encoding="utf-8"))
    settings |= {
        "bos_token": BEGIN_OF_TEXT,
        "eos_token": EOT,
        "pad_token": PAD,
        "chat_template": CHAT_TEMPLATE,
        "clean_up_tokenization_spaces": False,
    }
    write_json(out / "tokenizer_config.json", settings)


def write_config(model: nn.Module, encoder: Encoder, out: Path) -> None:
    """config.json as it is after loading: fp32, untied, with the protocol's ids."""
    config = copy.deepcopy(model.config)
    config.architectures = [type(model).__name__]
    config.dtype = torch.float32
    config.tie_word_embeddings = False
    config.bos_token_id = encoder.begin_of_text_id
    config.eos_token_id = list(encoder.stop_ids)
    config.pad_token_id = encoder.pad_id
    config.to_json_file(out / "config.json")


def write_weights(model: nn.Module, out: Path) -> None:
    """model.safetensors in fp32; weights shared between names are written once for each."""
    weights: dict[str, Tensor] = {}
    seen: set[int] = set()
    for name, value in model.state_dict().items():
        weight = value.detach().to("cpu", torch.float32).contiguous()
        weights[name] = weight.clone() if weight.data_ptr() in seen else weight
        seen.add(weight.data_ptr())
    save_file(weights, out / "model.safetensors", metadata={"format": "pt"})


def write_json(path: Path, value: dict[str, Any]) -> None:  # Any: JSON
    """Write a JSON object, indented for people."""
    path.write_text(json.dumps(value, indent=2), encoding="utf-8")
