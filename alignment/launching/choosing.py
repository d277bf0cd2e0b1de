"""Which launcher this deployment runs programs with: `LAUNCHER` of the environment."""

from collections.abc import Callable

from django.conf import settings

from alignment.launching.handles import JOB_FILE, handle_read
from alignment.launching.interface import Launcher, LaunchError, Work
from alignment.launching.kubernetes import KubernetesLauncher
from alignment.launching.local import LocalLauncher
from alignment.launching.slurm import SlurmLauncher
from alignment.launching.torchrun import TorchrunLauncher
from alignment.models import Program, Stage
from pretrain.failures import Failure
from pretrain.run import RunFolder


def launcher_of(folder: RunFolder) -> Launcher:
    """The launcher of this deployment, for a program in this run folder.

    Raises LaunchError where a job of another launcher is at work there, as after a change of LAUNCHER.
    """
    present = handle_read(folder)
    if present is not None and present.launcher != settings.ACCORD_LAUNCHER:
        raise LaunchError(
            Failure(
                sentence=f"LAUNCHER is {settings.ACCORD_LAUNCHER}, and {folder.path} has the job "
                f"{present.name} of {present.launcher}: end that job there and remove {JOB_FILE}, or set "
                "LAUNCHER back; then retry."
            )
        )
    return launcher_chosen()


def launcher_chosen() -> Launcher:
    """The launcher of this deployment."""
    options, kinds = settings.ACCORD_LAUNCHER_OPTIONS, tuple(Stage.Name.values)
    made: dict[str, Callable[[], Launcher]] = {
        "local": LocalLauncher,
        "torchrun": lambda: TorchrunLauncher(options, settings.ACCORD_REPOSITORY, kinds),
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
