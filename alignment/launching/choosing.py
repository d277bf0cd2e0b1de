"""Which launcher this deployment runs programs with: `LAUNCHER` of the environment."""

from collections.abc import Callable

from django.conf import settings

from alignment.launching.interface import Launcher, Work
from alignment.launching.kubernetes import KubernetesLauncher
from alignment.launching.local import LocalLauncher
from alignment.launching.slurm import SlurmLauncher
from alignment.models import Program, Stage
from pretrain.run import RunFolder


def launcher_chosen() -> Launcher:
    """The launcher of this deployment."""
    options, kinds = settings.ACCORD_LAUNCHER_OPTIONS, tuple(Stage.Name.values)
    made: dict[str, Callable[[], Launcher]] = {
        "local": LocalLauncher,
        "slurm": lambda: SlurmLauncher(options, settings.ACCORD_REPOSITORY, kinds),
        "kubernetes": lambda: KubernetesLauncher(options, settings.ACCORD_VAR, kinds),
    }
    return made[settings.ACCORD_LAUNCHER]()


def work_of(program: Program, folder: RunFolder, *, grace: float, silence: float) -> Work:
    """What is to run."""
    return Work(
        folder=folder,
        module=program.module,
        kind="" if program.stage is None else program.stage.name,
        queue=program.queue,
        environment=settings.ACCORD_PROGRAM_ENVIRONMENT(num_threads=program.num_threads),
        grace=grace,
        silence=silence,
    )
