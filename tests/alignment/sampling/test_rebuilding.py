"""Where weights cannot move into the running engine: it is built anew, or the folder is refused."""

import json
import shutil
from pathlib import Path

import pytest

from alignment.canary import read_canary
from alignment.sampling.engine import PolicyEngine
from pretrain.run import ProgramError
from tests.alignment.sampling.conftest import ENGINE, Models

pytestmark = [pytest.mark.vllm, pytest.mark.filterwarnings("ignore::FutureWarning:vllm")]


def test_tied_embeddings_are_caught_and_the_engine_is_built_anew(models: Models) -> None:
    engine = PolicyEngine(models.tied, ENGINE)
    canary = read_canary(models.other_tied)
    assert canary is not None

    assert not engine.swap_weights(models.other_tied)

    assert engine.canary_difference(canary) < 1e-5
    engine.close()


def test_a_folder_whose_weights_are_not_the_canarys_is_refused(models: Models, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    shutil.copytree(models.policy, wrong)
    shutil.copy(models.other / "model.safetensors", wrong)

    with pytest.raises(ProgramError, match="away from its canary"):
        PolicyEngine(wrong, ENGINE)


def test_another_architecture_gets_another_engine(models: Models, tmp_path: Path) -> None:
    shorter = tmp_path / "shorter"
    shutil.copytree(models.policy, shorter)
    config = json.loads((shorter / "config.json").read_text())
    (shorter / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 128}))
    engine = PolicyEngine(models.policy, ENGINE)

    assert not engine.swap_weights(shorter)

    assert engine.max_model_len == 128
    engine.close()
