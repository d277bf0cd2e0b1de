"""Takes a base model of someone else's into the registry, after checking that a round could start from it."""

import json
from pathlib import Path

from accounts.errors import Conflict, Invalid
from pretrain.checkpoint_check import check_checkpoint_folder
from pretrain.run import ProgramError
from registry.models import Checkpoint
from registry.services import checkpoint_register


def model_import(path: Path, name: str, *, licence: str = "") -> Checkpoint:
    """Register the Hugging Face folder `path` as base `name`. Raises Invalid or Conflict with what to do."""
    if Checkpoint.objects.filter(name=name).exists():
        raise Conflict(f"There is a model {name!r} already: choose another name.")
    config_path = path / "config.json"
    if not config_path.is_file():
        raise Invalid(f"{path} is no Hugging Face folder: it has no config.json.")
    if not list(path.glob("*.safetensors")):
        raise Invalid(f"{path} has no .safetensors weights: convert the model and try again.")
    architectures = json.loads(config_path.read_text(encoding="utf-8")).get("architectures") or []
    if not any(architecture.endswith("ForCausalLM") for architecture in architectures):
        raise Invalid(
            f"{path} holds {architectures or 'no architecture'}: a base must be a causal language model."
        )
    try:
        check_checkpoint_folder(path)
    except ProgramError as error:
        raise Invalid(str(error)) from error
    return checkpoint_register(
        name=name,
        kind=Checkpoint.Kind.BASE,
        path=path.resolve(),
        parents=[],
        recipe={},
        metrics={},
        produced_by="import_model",
        licence=licence,
    )
