"""`python -m alignment.sampling.predicting run.json`: which of two answers a reward model would prefer.

Comes in: a reward model and ShownPairs. Goes out: a Prediction of each, by the model of Bradley and Terry:
sigmoid of the rewards' difference over the temperature. One that is too long for the reward model gets none:
its end alone would be scored. What is scored is appended at once, so that a killed program goes on with the
others.
"""

from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from alignment.length_control import sigmoid
from alignment.programs import PREDICTIONS, PredictConfig
from alignment.records import Prediction, ShownPair
from alignment.sampling.engine import RewardEngine
from annotation.records import read_records, write_records
from pretrain.run import RunFolder, program_main

CHUNK = 128
"""Comparisons scored together."""


def run(config: PredictConfig, folder: RunFolder) -> None:
    """The program."""
    pairs = list(read_records(config.comparisons, ShownPair))
    path = folder.path / PREDICTIONS
    found = told(path)
    write_records(path, found)  # without what was cut off
    known = {prediction.id for prediction in found}
    left = [pair for pair in pairs if pair.id not in known]
    folder.progress(len(known), len(pairs), "comparisons")
    if left:
        engine = RewardEngine(config.reward_model, config.engine)
        for start in range(0, len(left), CHUNK):
            chunk = left[start : start + CHUNK]
            with path.open("a", encoding="utf-8") as out:
                for prediction in predictions(engine, chunk, config.temperature):
                    out.write(prediction.model_dump_json() + "\n")
            folder.progress(len(known) + start + len(chunk), len(pairs), "comparisons")
        engine.close()
    folder.finish({"num_comparisons": len(pairs)})


def predictions(engine: RewardEngine, pairs: Sequence[ShownPair], temperature: float) -> list[Prediction]:
    """Of each pair, in order; none of one that the reward model could read but in part."""
    whole = [pair for pair in pairs if engine.fits(pair.context, pair.answers)]
    rewards = engine.rewards_many([(pair.context, pair.answers) for pair in whole])
    found = {
        pair.id: sigmoid((left - right) / temperature)
        for pair, (left, right) in zip(whole, rewards, strict=True)
    }
    return [Prediction(id=pair.id, left=found.get(pair.id)) for pair in pairs]


def told(path: Path) -> list[Prediction]:
    """What an earlier attempt wrote, as far as its last whole line."""
    found: list[Prediction] = []
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                found.append(Prediction.model_validate_json(line))
            except ValidationError:
                break
    return found


if __name__ == "__main__":
    program_main(PredictConfig, run)
