"""Makes a base model: runs the steps of `pretrain.pipeline` one after another and registers what they made.

Each step is a process of its own under a keeper, followed on the terminal.
"""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from rich.console import Console

from accounts.errors import Invalid
from alignment.endings import failure_of
from alignment.following import follow_process
from alignment.program_process import process_start
from pretrain.config import PretrainConfig
from pretrain.manifest import MANIFEST_NAME, read_manifest
from pretrain.pipeline import Step
from pretrain.run import RunFolder, program_command
from registry.models import Checkpoint
from registry.services import checkpoint_adopt, checkpoint_licence_set

CURVE_POINTS = 200
CURVES = ("loss", "learning_rate")


def run_steps(steps: Sequence[Step], num_threads: int) -> None:
    """Run all steps; those of curation do only what is not done or has changed, and a training that is
    finished is left as it is. Raises Invalid with the sentence of a step that failed."""
    console = Console()
    for number, step in enumerate(steps, start=1):
        title = step.name if len(steps) == 1 else f"{number}/{len(steps)} {step.name}"
        if is_finished(step):
            console.print(f"{title}: done before")
        else:
            run_step(step, title, num_threads, console)


def is_finished(step: Step) -> bool:
    """Whether this is a training that has made its models from the same settings, files and tokenizer."""
    config, folder = step.config, step.folder
    if not isinstance(config, PretrainConfig) or folder.read_result() is None:
        return False
    made = read_manifest(config.out)
    return (
        made is not None
        and folder.config_path.read_text(encoding="utf-8") == config.model_dump_json(indent=2)
        and made.is_of(config.corpus, config.tokenizer)
    )


def run_step(step: Step, title: str, num_threads: int, console: Console) -> None:
    """Run one program to its end. Raises Invalid."""
    folder = step.folder
    folder.write_config(step.config)
    folder.result_path.unlink(missing_ok=True)
    folder.tidy()
    process = process_start(
        program_command(step.module, folder),
        log=folder.path / "log.txt",
        environment=settings.ACCORD_PROGRAM_ENVIRONMENT(num_threads=num_threads),
    )
    follow_process(process, folder, title, console)
    failure = failure_of(folder, process.returncode)
    if failure is not None:
        raise Invalid(failure.sentence)


def register_base(name: str, steps: Sequence[Step], licence: str) -> list[str]:
    """Enter the finished model, and the one before annealing, with its data and curves; their names."""
    training = steps[-1]
    config = training.config
    assert isinstance(config, PretrainConfig) and config.out_initial is not None
    metrics = {
        **(training.folder.read_result() or {}),
        "curves": curves(training.folder),
        "data": data_facts(steps, config),
    }
    names = []
    for checkpoint_name, path in {name: config.out, f"{name}-initial": config.out_initial}.items():
        checkpoint = checkpoint_adopt(
            folder=path,
            store=settings.ACCORD_CHECKPOINTS,
            name=checkpoint_name,
            kind=Checkpoint.Kind.BASE,
            parents=[],
            recipe=config.recipe.model_dump(mode="json"),
            metrics=metrics,
            produced_by="pretrain",
        )
        if licence:
            checkpoint_licence_set(checkpoint, licence, actor=None)
        names.append(checkpoint.name)
    return names


def data_facts(steps: Sequence[Step], config: PretrainConfig) -> dict[str, Any]:  # Any: JSON
    """Where the documents lie, what lists them, and what each step of curation did."""
    return {
        "corpus": str(config.corpus),
        "manifest": MANIFEST_NAME,
        "steps": {step.name: step.folder.read_result() for step in steps[:-1]},
    }


def curves(folder: RunFolder) -> dict[str, list[float]]:
    """The training's loss and learning rate by step, thinned out to a few hundred points."""
    rows = [row for row in folder.read_metrics("metrics") if "loss" in row]
    thinned = rows[:: -(-len(rows) // CURVE_POINTS)] if rows else []
    return {name: [row[name] for row in thinned] for name in ("step", *CURVES)}
