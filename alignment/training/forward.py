"""What a model says about laid-out rows: log-probabilities of response tokens, rewards of responses.

Legend: B rows, T places, D hidden width, V vocabulary, N response tokens, S responses.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from alignment.training.rows import LanguageRows, Layout, RewardRows, Row, language_rows
from pretrain.run import ProgramError

TOLERANCE = 1e-3


def target_logprobs(model: nn.Module, rows: LanguageRows) -> Tensor:
    """The log-probability (N) of each response token; only these places go through the LM head."""
    hidden_ND = hidden_states(model, rows.layout).flatten(0, 1).index_select(0, rows.source_N)
    logits_NV = model.get_output_embeddings()(hidden_ND).float()
    return -functional.cross_entropy(logits_NV, rows.target_N, reduction="none")


def response_rewards(model: nn.Module, rows: RewardRows) -> Tensor:
    """The reward (S) of each response, read at its last token."""
    hidden_SD = hidden_states(model, rows.layout).flatten(0, 1).index_select(0, rows.last_S)
    rewards_S: Tensor = model.score(hidden_SD)[:, 0].float()
    return rewards_S


def hidden_states(model: nn.Module, layout: Layout) -> Tensor:
    """The last hidden states (B, T, D) of the model under the head."""
    hidden_BTD: Tensor = model.base_model(
        input_ids=layout.input_ids_BT,
        position_ids=layout.position_ids_BT,
        attention_mask=layout.allowed_B1TT,
        use_cache=False,
    ).last_hidden_state
    return hidden_BTD


@torch.no_grad()
def check_shared_prefix(model: nn.Module, pad_id: int) -> None:
    """Raise ProgramError unless the model gives responses that share a row what it gives each alone.

    Llama does. An architecture that ignores the mask or changes its logits after the head would train on
    wrong numbers without a word.
    """
    context, responses = [1, 2, 3], [[4, 5], [5, 4, 3]]
    masks = [[False] * len(tokens) for tokens in responses]
    row = Row(context=context, responses=responses, format_masks=masks)
    shared = target_logprobs(model, language_rows([row], pad_id))
    alone = []
    for tokens in responses:
        logits_TV = model(input_ids=torch.tensor([context + tokens]), use_cache=False).logits[0, :-1].float()
        found = logits_TV.log_softmax(-1).gather(1, torch.tensor(context[1:] + tokens)[:, None])[:, 0]
        alone.append(found[-len(tokens) :])
    if not torch.allclose(shared, torch.cat(alone), atol=TOLERANCE):
        raise ProgramError(
            f"The architecture {type(model).__name__} does not take responses that share their context: "
            "use a Llama model as the base."
        )
