"""Speed trials: a base timed for some seconds on the sampling queue, kept by base and speed settings."""

import hashlib
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from alignment.messages import speed_trial_send
from alignment.models import SpeedTrial
from alignment.programs.speed import SpeedTrialConfig
from alignment.recipe import RoundRecipe
from pretrain.run import RunFolder, program_command
from registry.models import Checkpoint

MOST_SECONDS = 600
ASK_AGAIN = timedelta(seconds=2 * MOST_SECONDS)
"""A worker that vanished never answers."""


def speed_trial(base: Checkpoint, recipe: RoundRecipe) -> SpeedTrial | None:
    """The newest trial of the base under the recipe's settings."""
    return SpeedTrial.objects.filter(key=_key(base, recipe)).first()


def speed_trial_result(base: Checkpoint, recipe: RoundRecipe) -> dict[str, Any] | None:  # Any: JSON
    """What it measured (`SpeedTrialConfig`); None where there is none yet."""
    found = speed_trial(base, recipe)
    return found.result if found is not None and found.state == SpeedTrial.State.FINISHED else None


def speed_trial_request(base: Checkpoint, recipe: RoundRecipe) -> SpeedTrial:
    """Ask for a trial, or take the one that is there or on its way."""
    now = timezone.now()
    with transaction.atomic():
        found, made = SpeedTrial.objects.select_for_update().get_or_create(
            key=_key(base, recipe), defaults={"base": base, "requested_at": now}
        )
        lost = found.state == SpeedTrial.State.REQUESTED and found.requested_at < now - ASK_AGAIN
        if made or lost or found.state == SpeedTrial.State.FAILED:
            found.state, found.error, found.requested_at = SpeedTrial.State.REQUESTED, "", now
            found.save(update_fields=["state", "error", "requested_at"])
            config = _config(base, recipe).model_dump_json()
            transaction.on_commit(lambda: speed_trial_send(found.pk, config))
    return found


def speed_trial_run(trial_id: int, config: str) -> None:
    """Run the requested trial and keep what it measured; a worker of the sampling queue calls it."""
    trial = SpeedTrial.objects.filter(pk=trial_id, state=SpeedTrial.State.REQUESTED).first()
    if trial is None:
        return
    checked = SpeedTrialConfig.model_validate_json(config)
    folder = RunFolder(settings.ACCORD_RUNS / "speed-trials" / trial.key)
    folder.result_path.unlink(missing_ok=True)
    folder.write_config(checked)
    with (folder.path / "log.txt").open("wb") as log:
        try:
            subprocess.run(
                program_command("alignment.sampling.speed_trial", folder),
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                cwd=settings.ACCORD_REPOSITORY,
                env=settings.ACCORD_PROGRAM_ENVIRONMENT(num_threads=checked.num_threads),
                timeout=MOST_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            folder.fail(f"The speed trial took more than {MOST_SECONDS} s: is the machine busy? Try again.")
    result = folder.read_result()
    error = "" if result else folder.read_error() or f"It ended without a result; see {folder.path}/log.txt."
    state = SpeedTrial.State.FINISHED if result else SpeedTrial.State.FAILED
    SpeedTrial.objects.filter(pk=trial_id).update(state=state, result=result or {}, error=error)


def _config(base: Checkpoint, recipe: RoundRecipe) -> SpeedTrialConfig:
    return SpeedTrialConfig(
        base=Path(base.path),
        engine=recipe.engine,
        precision=recipe.precision,
        num_threads=recipe.num_threads,
        row_tokens=min(128, recipe.max_row_tokens),
    )


def _key(base: Checkpoint, recipe: RoundRecipe) -> str:
    told = f"{base.content_hash} {_config(base, recipe).model_dump_json(exclude={'base'})}"
    return hashlib.sha256(told.encode()).hexdigest()
