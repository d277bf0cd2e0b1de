"""The world of the state machine's rounds: two stages of small programs and a gate, their messages kept."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from accounts.models import Role, User
from accounts.services import user_create
from alignment import advancing, control, dry_run, services
from alignment.models import Stage
from alignment.stages import StageDefinition
from alignment.stages.plan import checkpoint_out, program_add
from pretrain.tokenizer import train_tokenizer
from registry.models import Checkpoint
from tests.alignment.scaling import ScalingConfig


class World:
    """What all sequences share: the folder, a base, an admin, the messages sent."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.admin: User = user_create(username="lead", role=Role.ADMIN)
        self.messages: list[tuple[int, int]] = []
        (folder / "base").mkdir()
        (folder / "data.json").write_text("1.0")
        train_tokenizer(["red stone river bird", "user assistant system"] * 20, 320).save(
            str(folder / "base" / "tokenizer.json")
        )
        save_file({"weight": np.zeros(4, np.float32)}, folder / "base" / "model.safetensors")
        self.base = Checkpoint.objects.create(
            name="base", kind=Checkpoint.Kind.BASE, path=str(folder / "base"), content_hash="0" * 64
        )
        stages = (
            StageDefinition(name=Stage.Name.SFT, start=self.start),
            StageDefinition(name=Stage.Name.GATE, start=close, poll=wait),
            StageDefinition(name=Stage.Name.DEPLOY, start=lambda stage: None),
        )
        monkeypatch.setattr(services, "STAGES", stages)
        definitions = {each.name.value: each for each in stages}
        for module in (advancing, dry_run):
            monkeypatch.setattr(module, "DEFINITIONS", definitions)
        monkeypatch.setattr(advancing, "program_run_send", self.send)
        for module in (control, services):
            monkeypatch.setattr(module, "rounds_advance_send", lambda: None)

    def send(self, program_id: int, attempt: int, queue: str) -> None:
        """Keep the message for whenever it is delivered."""
        self.messages.append((program_id, attempt))

    def start(self, stage: Stage) -> None:
        """Two programs, and one that adds up what they found."""
        # Of each sequence its own: what another one computed shall not be taken over.
        own = float(stage.round.project_id)
        add(stage, "first", [self.folder / "data.json"], own)
        add(stage, "second", [self.folder / "data.json"], own + 0.5)
        parts = [checkpoint_out(stage, name) / "number.json" for name in ("first", "second")]
        add(stage, "sum", parts, own, group=1)


def add(stage: Stage, name: str, data: list[Path], factor: float, *, group: int = 0) -> None:
    """Plan one program."""
    values = {"data": data, "factor": factor, "out": checkpoint_out(stage, name)}
    config = ScalingConfig.model_validate(values)
    program_add(stage, name, "tests.alignment.scaling", config, queue="training", group=group)


def close(stage: Stage) -> None:
    """A gate that nothing opens but an admin."""
    stage.result = {"problems": ["It is worse."]}


def wait(stage: Stage) -> bool:
    """Open where an admin said so."""
    if "override" not in stage.result:
        stage.state = Stage.State.WAITING
    return "override" in stage.result
