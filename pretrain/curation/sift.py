"""`python -m pretrain.curation.sift run.json`: documents through all filters that look at one alone."""

from pathlib import Path

from pretrain.curation.sifting import Sieve, SiftRecipe
from pretrain.curation.steps import Judge, Pass, StepConfig, folder_hash, run_step
from pretrain.run import RunFolder, program_main

PASSES: tuple[Pass, ...] = ("write",)


class SiftConfig(StepConfig):
    """Result: {"num_shards", "num_documents", "num_kept", "num_characters", "num_characters_kept",
    "dropped_by": {filter: documents}}; a document that several filters drop counts for each."""

    recipe: SiftRecipe = SiftRecipe()


def run(config: SiftConfig, folder: RunFolder) -> None:
    """Sift every shard."""
    sieve = Sieve(config.recipe)

    def judge(_shard: Path) -> Judge:
        return sieve.sift

    run_step(config, folder, judge, config.fingerprint() + folder_hash(config.recipe.files()))


if __name__ == "__main__":
    program_main(SiftConfig, run)
