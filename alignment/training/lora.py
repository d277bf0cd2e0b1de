"""Low-rank adapters: put beside chosen linear layers for training, merged into them for the checkpoint.

Comes in: a model and a LoraConfig. Goes out: the same model, of which only the adapters train; then the
same model with the adapters' products added to its weights. (Hu et al. 2021, "LoRA".)
"""

import peft
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import nn

from alignment.programs import LoraConfig
from pretrain.run import ProgramError


def add_adapters(model: nn.Module, config: LoraConfig) -> None:
    """Give the layers that `config` names an adapter that starts at zero, and freeze everything else.

    Raises ProgramError where no layer has such a name, or where the LM head does: its weights are read
    without the layer.
    """
    found = [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and any(is_target(name, target) for target in config.targets)
    ]
    if not found:
        linear = {
            name.rsplit(".", 1)[-1] for name, module in model.named_modules() if isinstance(module, nn.Linear)
        }
        raise ProgramError(
            f"No layer of the model is called {' or '.join(config.targets)}: "
            f"choose lora targets from {', '.join(sorted(linear))}."
        )
    head = model.get_output_embeddings()
    if any(model.get_submodule(name) is head for name in found):
        raise ProgramError("The LM head takes no adapter: leave it out of the lora targets.")
    peft.inject_adapter_in_model(
        peft.LoraConfig(r=config.rank, lora_alpha=config.alpha, lora_dropout=0.0, target_modules=found), model
    )


def is_target(name: str, target: str) -> bool:
    """Whether a layer's name is `target` or ends in it."""
    return name == target or name.endswith(f".{target}")


def merge_adapters(model: nn.Module) -> None:
    """Add each adapter to its layer's weights and take it away."""
    layers = [(name, module) for name, module in model.named_modules() if isinstance(module, BaseTunerLayer)]
    for name, layer in layers:
        layer.merge()
        parent, _, own_name = name.rpartition(".")
        setattr(model.get_submodule(parent), own_name, layer.get_base_layer())
