"""What the programs of a running round have written: curves, samples, a log, what they use."""

import json
import math
from datetime import timedelta
from pathlib import Path

from django.utils import timezone

from alignment.models import Program, Round, Stage
from alignment.recipe import small
from alignment.running import LEASE
from alignment.usage import USAGE_FILE

NUM_STEPS, NUM_DONE = 900, 310
LINES = (
    "{stage} {name}: 9,204 rows of 2,048 tokens, 12 left out as too long",
    "a line of a log that says the path of something: /srv/accord/var/runs/helpful/2/" + "a-long-name/" * 9,
    "step {step}: loss {loss:.4f}, 3,120 tokens a second",
)


def make_running_programs(round_: Round, folder: Path) -> None:
    """Two variants of the reward model in the middle, their average waiting, and stages before with times."""
    now = timezone.now()
    recipe = small().model_dump(mode="json")
    recipe["reward"][1]["optimizer"]["learning_rate"] = 3e-4
    recipe["rejection"]["num_candidates"] = 16
    Round.objects.filter(pk=round_.pk).update(recipe=recipe, created_at=now - timedelta(minutes=94))
    for name, minutes in ((Stage.Name.COLLECT, 71), (Stage.Name.SNAPSHOT, 1)):
        round_.stages.filter(name=name).update(started_at=now - timedelta(minutes=minutes), finished_at=now)
    stage = round_.stages.get(name=Stage.Name.REWARD_MODEL)
    Stage.objects.filter(pk=stage.pk).update(started_at=now - timedelta(minutes=6))
    stage.programs.all().delete()
    for number in (1, 2):
        program = Program.objects.create(
            stage=stage,
            name=f"variant-{number}",
            module="alignment.training.reward",
            queue="training",
            group=0,
            folder=str(folder / f"reward-{number}"),
            state=Program.State.RUNNING,
            attempt=1,
            done=NUM_DONE + 40 * number,
            total=NUM_STEPS,
            unit="steps",
            started_at=now - timedelta(minutes=6),
            lease_expires_at=now + LEASE + timedelta(hours=1),  # however long one looks
        )
        _write(Path(program.folder), program, now.timestamp() - 360)
    Program.objects.create(
        stage=stage,
        name="average",
        module="alignment.training.average",
        queue="training",
        group=1,
        folder=str(folder / "reward-average"),
    )


def _write(folder: Path, program: Program, began: float) -> None:
    folder.mkdir(parents=True)
    pace = 360 / program.done
    rows: list[dict[str, object]] = []
    for step in range(10, program.done + 1, 10):
        at = {"time": round(began + step * pace, 3)}
        noise = math.sin(step * 1.7 + program.pk) * 0.02
        values = {
            "loss": 0.69 * math.exp(-step / 400) + 0.12 + noise,
            "accuracy": 0.71 - 0.2 * math.exp(-step / 150) + noise,
            "learning_rate": 1e-4 * min(1.0, step / 100),
            "tokens_per_second": 1_560.0,
        }
        rows.append({**at, "kind": "metrics", "step": step, **values})
        rows.append({**at, "kind": "progress", "done": step, "total": NUM_STEPS, "unit": "steps"})
    rows.append(
        {
            "time": began + 300,
            "kind": "sample",
            "prompt": "Why is the sky blue, and why is it red in the evening? Explain it to a child of six.",
            "response": "Sunlight has all colours. Air scatters blue most, so blue comes from everywhere.",
            "reward": 1.284,
        }
    )
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    cores = [0.97 + 0.02 * math.sin(tick) for tick in range(70)]
    usage = [
        {"time": began + 5 * tick, "cpu": used, "memory": 1_200_000_000 + 4_000_000 * tick}
        for tick, used in enumerate(cores)
    ]
    (folder / USAGE_FILE).write_text("".join(json.dumps(row) + "\n" for row in usage))
    assert program.stage is not None
    log = [LINES[0].format(stage=program.stage.name, name=program.name), LINES[1]]
    log += [LINES[2].format(step=step, loss=0.69 - step / 2000) for step in range(10, program.done, 10)]
    (folder / "log.txt").write_text("\n".join(log) + "\n")
