"""What a model says about laid-out rows: log-probabilities of response tokens, rewards of responses.

Legend: N tokens of all rows, M of them that are read, D hidden width, R response tokens, S responses.
"""

import torch
from torch import Tensor, nn

from alignment.training.rows import LanguageRows, Layout, RewardRows, Row, language_rows
from pretrain.packed.attention import PLANNED_ATTENTION
from pretrain.packed.head import head_logprobs
from pretrain.run import ProgramError

TOLERANCE = 1e-3


def target_logprobs(model: nn.Module, rows: LanguageRows) -> Tensor:
    """The log-probability (R) of each response token; only these places go through the LM head."""
    hidden_RD = hidden_states(model, rows.layout).index_select(0, rows.source_R)
    return head_logprobs(model.get_output_embeddings(), hidden_RD, rows.target_R)


def response_rewards(model: nn.Module, rows: RewardRows) -> Tensor:
    """The reward (S) of each response, read at its last token."""
    hidden_SD = hidden_states(model, rows.layout).index_select(0, rows.last_S)
    rewards_S: Tensor = model.score(hidden_SD)[:, 0].float()
    return rewards_S


def hidden_states(model: nn.Module, layout: Layout) -> Tensor:
    """The last hidden states (M, D) of the model under the head, at the places that are read."""
    assert model.base_model.config._attn_implementation == PLANNED_ATTENTION, type(model)
    hidden_1ND: Tensor = model.base_model(
        input_ids=layout.input_ids_1N,
        position_ids=layout.position_ids_1N,
        plan=layout.plan,
        read=layout.read,
        use_cache=False,
    ).last_hidden_state
    places_M = layout.read.places_M
    # A model whose last layer does not heed `read` gives all N.
    return hidden_1ND[0] if hidden_1ND.shape[1] == len(places_M) else hidden_1ND[0].index_select(0, places_M)


@torch.no_grad()
def check_shared_prefix(model: nn.Module) -> None:
    """Raise ProgramError unless the model gives responses that share a row what it gives each alone.

    Llama does. An architecture that ignores the mask or changes its logits after the head would train on
    wrong numbers without a word.
    """
    context, responses = [1, 2, 3], [[4, 5], [5, 4, 3]]
    masks = [[False] * len(tokens) for tokens in responses]
    row = Row(context=context, responses=responses, format_masks=masks)
    shared = target_logprobs(model, language_rows([row]))
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
