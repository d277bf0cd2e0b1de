"""`python -m pretrain.vocabulary.embeddings run.json`: a model learns to know an extended vocabulary.

Comes in: a base model and the tokenizer that extends its own. Goes out: the model with rows for the new
tokens in its embedding and its LM head, each the mean of the rows of the base's tokens it stands for.
All other weights, rows too, stay as they are; train on, for the new rows are only a beginning.

Shapes: V tokens, D hidden size.
"""

import json
from pathlib import Path

import torch
from torch import Tensor, nn

from pretrain.checkpoint_folder import load_causal_lm, save_checkpoint_folder
from pretrain.failures import ProgramError
from pretrain.run import ProgramConfig, RunFolder, program_main
from pretrain.vocabulary.extension import BaseVocabulary, read_extension
from pretrain.vocabulary.further_merges import Merge


class ExtendModelConfig(ProgramConfig):
    """Result: {"num_tokens", "first_token", "num_rows"}."""

    model: Path
    """The base model's folder."""
    tokenizer: Path
    """What `python -m pretrain.vocabulary.extend` made of that model's tokenizer."""
    out: Path


def run(config: ExtendModelConfig, folder: RunFolder) -> None:
    """Read, lengthen and write."""
    merges = read_extension(config.tokenizer)
    require_base(config.model, config.tokenizer, merges)
    model = load_causal_lm(config.model)
    add_rows(model, merges)
    save_checkpoint_folder(model, config.tokenizer, config.out)
    num_rows = model.get_input_embeddings().num_embeddings
    folder.finish({"num_tokens": len(merges), "first_token": merges[0].token, "num_rows": num_rows})


def add_rows(model: nn.Module, merges: list[Merge]) -> None:
    """Give embedding and LM head, untied, their new rows in place. Rows that were only padding are reused."""
    old = model.get_input_embeddings().num_embeddings
    num_rows = max(old, merges[-1].token + 1)
    model.resize_token_embeddings(num_rows, mean_resizing=False)
    with torch.no_grad():
        for layer in (model.get_input_embeddings(), model.get_output_embeddings()):
            weights_VD: Tensor = layer.weight
            for merge in merges:
                weights_VD[merge.token] = weights_VD[list(merge.parts)].mean(0)
            bias_V = getattr(layer, "bias", None)
            if bias_V is not None:
                for merge in merges:
                    bias_V[merge.token] = bias_V[list(merge.parts)].mean()


def require_base(model: Path, extended: Path, merges: list[Merge]) -> None:
    """Raise ProgramError where the tokenizer extends another one than the model's."""
    base = BaseVocabulary(model)
    told = json.loads((extended / "tokenizer.json").read_text(encoding="utf-8"))
    added = {merge.text for merge in merges}
    vocabulary = {text: number for text, number in told["model"]["vocab"].items() if text not in added}
    own = {token["content"]: token["id"] for token in base.parsed["added_tokens"]}
    same = vocabulary == {**own, **base.parsed["model"]["vocab"]}
    if not same or base.first_new != merges[0].token:
        raise ProgramError(
            f"{extended} does not extend the tokenizer of {model}: give the model whose tokenizer it was "
            "made from, or extend this model's."
        )


if __name__ == "__main__":
    program_main(ExtendModelConfig, run)
