"""Rows that alignment tests start from."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from alignment.models import Program, Round, Stage
from alignment.recipe import tiny
from alignment.stages import STAGES
from annotation.models import Project
from pretrain.run import RunFolder
from registry.models import Checkpoint
from tests.alignment.stand_in import StandInConfig


def make_round(**values: object) -> Round:
    """A running round with all of its stages pending."""
    project = Project.objects.create(slug=f"p{Project.objects.count()}", name="Project")
    base = Checkpoint.objects.create(
        name=f"base{Checkpoint.objects.count()}",
        kind=Checkpoint.Kind.BASE,
        path="/nowhere",
        content_hash="0" * 64,
    )
    round_ = Round.objects.create(
        **{"project": project, "number": 1, "base": base, "recipe": tiny().model_dump(mode="json"), **values}
    )
    for position, definition in enumerate(STAGES):
        Stage.objects.create(round=round_, name=definition.name, position=position)
    return round_


def make_program(
    folder: Path,
    behaviour: str,
    *,
    state: Program.State = Program.State.QUEUED,
    stage: Stage | None = None,
    num_processes: int = 1,
    until: Path | None = None,
    values: Mapping[str, object] = MappingProxyType({}),
) -> Program:
    """A program of a round's DPO stage that behaves as told once there is the file `until`."""
    stage = stage or make_round().stages.get(name=Stage.Name.DPO)
    run_folder = RunFolder(folder)
    run_folder.write_config(
        StandInConfig.model_validate({"behaviour": behaviour, "num_processes": num_processes, "until": until})
    )
    return Program.objects.create(
        **{
            "stage": stage,
            "name": f"program-{stage.programs.count()}",
            "module": "tests.alignment.stand_in",
            "queue": "training",
            "group": 0,
            "folder": str(folder),
            "state": state,
            "attempt": 1,
            **values,
        }
    )
