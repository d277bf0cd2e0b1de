"""Nothing is computed twice: a program whose fingerprint an earlier one had takes over what that one left.

Whatever is not there any more, or has changed since, is not reused. An output is whole or absent; the row is
written last.
"""

from pathlib import Path

from django.db.models import Exists, OuterRef
from django.utils import timezone

from alignment.contents import content_hashes, content_known, run_folder_hashes
from alignment.fencing import step_held
from alignment.fingerprints import fingerprint, plan_inputs
from alignment.models import Artifact, Program, Stage
from alignment.taking import remove, take
from pretrain.run import RunFolder

NUM_TRIED = 5
"""Earlier programs with the same fingerprint whose files are looked at."""


def program_fingerprint(program: Program) -> str:
    """The program's fingerprint, or nothing where an input is not there (yet)."""
    plan = program.plan
    if not plan:
        return ""
    contents = content_hashes(plan_inputs(plan))
    contents |= run_folder_hashes(Path(path) for path in plan["run_folders"])
    return fingerprint(plan, contents) or ""


def programs_settle() -> None:
    """Keep what finished programs left that nobody has seen since, as of a cancelled round."""
    settled = Exists(Artifact.objects.filter(folder=OuterRef("folder")))
    finished = Program.objects.filter(state=Program.State.FINISHED, reused_from=None)
    for program in finished.exclude(fingerprint="").filter(~settled):
        program_settle(program)


def program_settle(program: Program) -> None:
    """Keep what a finished program left for those who come after it."""
    outputs = {field: Path(path) for field, path in program.plan["outputs"].items()}
    hashes = content_hashes(outputs.values())
    Artifact.objects.get_or_create(
        folder=program.folder,
        defaults={
            "fingerprint": program.fingerprint,
            "program": program,
            "outputs": {
                field: {"path": str(path), "hash": hashes[path]}
                for field, path in outputs.items()
                if path in hashes
            },
        },
    )


def artifact_for(stage: Stage, found: str) -> Artifact | None:
    """The newest artifact with this fingerprint that is still whole.

    In a stage that is to be computed anew, only what the same round has made.
    """
    if not found:
        return None
    artifacts = Artifact.objects.filter(fingerprint=found).select_related("program__stage__round__project")
    if stage.is_fresh:
        artifacts = artifacts.filter(program__stage__round_id=stage.round_id)
    return next((artifact for artifact in artifacts[:NUM_TRIED] if _is_whole(artifact)), None)


def program_reuse(stage: Stage, program: Program, artifact: Artifact) -> bool:
    """Finish a pending program with what another left; whether that went well. Raises StepLost."""
    folder = RunFolder(Path(program.folder))
    source = RunFolder(Path(artifact.folder))
    try:
        for field, output in artifact.outputs.items():
            target = Path(program.plan["outputs"][field])
            take(Path(output["path"]), target)
            content_known(target, output["hash"])
        for path in (source.metrics_path, source.result_path):
            take(path, folder.path / path.name)
    except OSError:
        for path in (folder.result_path, *map(Path, program.plan["outputs"].values())):
            remove(path)
        return False  # computing says what is wrong with the disk in words
    now = timezone.now()
    earlier = artifact.program
    with step_held(stage):
        reused = Program.objects.filter(pk=program.pk, state=Program.State.PENDING).update(
            state=Program.State.FINISHED,
            fingerprint=artifact.fingerprint,
            reused_from=earlier,
            result=folder.read_result() or {},
            done=earlier.done,
            total=earlier.total,
            unit=earlier.unit,
            started_at=now,
            finished_at=now,
        )
    return bool(reused)


def _is_whole(artifact: Artifact) -> bool:
    """Whether the outputs are what they were; a result that was purged is not there."""
    outputs = artifact.outputs.values()
    hashes = content_hashes(Path(output["path"]) for output in outputs)
    same = all(hashes.get(Path(output["path"])) == output["hash"] for output in outputs)
    return same and (Path(artifact.folder) / "result.json").exists()
