"""Rounds of one stage whose programs multiply numbers, for tests of what a round computes and what not.

The stage is averaging: two variants of the data, then their sum. The recipe's second DPO variant scales the
second (its beta), so that a changed recipe changes one number.
"""

import json
from contextlib import suppress
from pathlib import Path

import pytest

from alignment import advancing
from alignment.advancing import round_advance
from alignment.models import Program, Round, Stage
from alignment.recipe import RoundRecipe, tiny
from alignment.running import program_claim, program_run
from alignment.stages import StageDefinition
from alignment.stages.plan import checkpoint_out, program_add, recipe_of
from pretrain.run import ProgramError, RunFolder, load_config
from tests.alignment import scaling
from tests.alignment.factories import make_round

MODULE = "tests.alignment.scaling"


class ScaledRounds:
    """Launches such rounds and works on them."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.data: dict[int, float] = {}
        """By round; 1 where none is named."""
        self.broken: set[int] = set()
        """Rounds whose second variant fails in the first attempt."""
        self._folder = folder
        definition = StageDefinition(name=Stage.Name.AVERAGING, start=self._start)
        for name in advancing.DEFINITIONS:
            monkeypatch.setitem(advancing.DEFINITIONS, name, _nothing(Stage.Name(name)))
        monkeypatch.setitem(advancing.DEFINITIONS, definition.name.value, definition)

    def launch(self, *, second: float = 3.0, **values: object) -> Round:
        """A round in a project of its own, not advanced yet."""
        round_ = make_round(recipe=recipe(second).model_dump(mode="json"), **values)
        round_.stages.exclude(name=Stage.Name.AVERAGING).update(state=Stage.State.FINISHED)
        return round_

    def _start(self, stage: Stage) -> None:
        data = self._folder / f"data-{stage.round_id}.json"
        data.write_text(json.dumps(self.data.get(stage.round_id, 1.0)))
        for name, factor in (("first", 2.0), ("second", recipe_of(stage.round).dpo[1].beta)):
            broken = name == "second" and stage.round_id in self.broken and stage.attempt == 1
            self._add(stage, name, [data], factor, broken=broken)
        variants = [checkpoint_out(stage, name) / "number.json" for name in ("first", "second")]
        self._add(stage, "sum", variants, 1.0, group=1)

    @staticmethod
    def _add(
        stage: Stage, name: str, data: list[Path], factor: float, *, broken: bool = False, group: int = 0
    ) -> None:
        out = checkpoint_out(stage, name)
        config = {"data": data, "factor": factor, "broken": broken, "out": out}
        program_add(
            stage, name, MODULE, scaling.ScalingConfig.model_validate(config), queue="training", group=group
        )


def _nothing(name: Stage.Name) -> StageDefinition:
    return StageDefinition(name=name, start=lambda stage: None)


def recipe(second: float) -> RoundRecipe:
    """A recipe that trains at once, with this number to change."""
    found = tiny()
    collect = found.collect.model_copy(update={"num_comparisons": 0})
    dpo = (found.dpo[0], found.dpo[1].model_copy(update={"beta": second}))
    return found.model_copy(update={"collect": collect, "dpo": dpo})


def work(round_: Round, *, started: bool = False) -> Stage:
    """Advance the round and run what it queues, as processes if `started`, until it has ended."""
    round_advance(round_.pk)
    while queued := list(Program.objects.filter(stage__round=round_, state=Program.State.QUEUED)):
        for program in queued:
            claimed = program_claim(program.pk, program.attempt)
            assert claimed is not None
            if not started:
                compute(claimed)
            program_run(claimed)
        round_advance(round_.pk)
    round_.refresh_from_db()
    stage: Stage = round_.stages.get(name=Stage.Name.AVERAGING)
    return stage


def compute(program: Program) -> None:
    """What the program's process would do, without the second that starting it takes."""
    folder = RunFolder(Path(program.folder))
    with suppress(ProgramError):
        scaling.run(load_config(folder.config_path, scaling.ScalingConfig), folder)


def computed(stage: Stage) -> list[str]:
    """Which programs of the stage were not taken over."""
    return sorted(stage.programs.filter(reused_from=None).values_list("name", flat=True))


def result(stage: Stage) -> float:
    """What the stage found."""
    return float(stage.programs.get(name="sum").result["number"])
