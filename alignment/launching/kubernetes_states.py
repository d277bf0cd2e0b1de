"""What the cluster says of a Job and its pods, read, and what its end means for people. Pure.

Comes in: the JSON of a Job and of its pods. Goes out: a JobView, a Failure.
"""

from dataclasses import dataclass
from typing import Any, Literal

from alignment.endings import failure_of
from pretrain.failures import Failure
from pretrain.run import RunFolder

KILLED = 128
"""A container that a signal ended has this and the signal's number as its status."""
BLOCKED = {
    *("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"),
    *("CreateContainerConfigError", "CreateContainerError", "RunContainerError"),
}
"""Why a container may wait in vain."""


@dataclass(frozen=True, kw_only=True)
class JobView:
    """A Job at one moment."""

    state: Literal["waiting", "running", "finished", "failed", "gone"]
    reason: str = ""
    """Why it failed, in the cluster's word."""
    exit_code: int | None = None
    """Of the container that failed."""
    is_out_of_memory: bool = False
    blocked: str = ""
    """Why its container cannot be started; empty where nothing is known."""


def job_view(job: dict[str, Any], pods: list[dict[str, Any]]) -> JobView:  # Any: JSON
    """How a Job stands."""
    status = job.get("status", {})
    conditions = {
        each["type"]: each for each in status.get("conditions") or [] if each.get("status") == "True"
    }
    if "Complete" in conditions:
        return JobView(state="finished")
    ended = [container["terminated"] for container in _states(pods) if "terminated" in container]
    failed = [each for each in ended if each.get("exitCode")]
    if "Failed" in conditions:
        return JobView(
            state="failed",
            reason=str(conditions["Failed"].get("reason", "")),
            exit_code=int(failed[-1]["exitCode"]) if failed else None,
            is_out_of_memory=any(each.get("reason") == "OOMKilled" for each in ended),
        )
    if status.get("ready"):
        return JobView(state="running")
    waiting = [container["waiting"] for container in _states(pods) if "waiting" in container]
    blocked = [each for each in waiting if each.get("reason") in BLOCKED]
    told = blocked[0] if blocked else None
    return JobView(
        state="waiting",
        blocked="" if told is None else f"{told['reason']}: {told.get('message', 'no more is said')}",
    )


def kubernetes_failure(folder: RunFolder, name: str, view: JobView) -> Failure | None:
    """Why the Job did not finish; None where it did."""
    if folder.read_result() is not None:
        return None
    job = f"The Kubernetes Job {name}"
    log = folder.path / "log.txt"
    if view.state == "gone":
        return Failure(
            sentence=f"{job} was deleted by someone before it had a result: retry to hand it in again."
        )
    if view.state == "finished":
        return failure_of(folder, 0)
    if (told := folder.read_failure()) is not None:
        return told
    if view.reason == "DeadlineExceeded":
        return Failure(
            sentence=f"{job} ran into its time limit: give it more `minutes` in LAUNCHER_OPTIONS. It goes on "
            "from its last checkpoint.",
            may_pass=True,
        )
    if view.is_out_of_memory:
        return Failure(
            sentence=f"{job} was killed because its memory ran out: raise memory_gib in LAUNCHER_OPTIONS, or "
            "lower max_tokens_per_microbatch (training) or engine.kv_cache_gib (sampling); then retry."
        )
    if view.exit_code is not None:
        code = view.exit_code
        return failure_of(folder, KILLED - code if code > KILLED else code)
    return Failure(
        sentence=f"{job} failed ({view.reason or 'no reason is given'}) with no result: its log, {log}, and "
        f"`kubectl describe job {name}` may say more.",
        may_pass=True,
    )


def blocked_failure(name: str, why: str) -> Failure:
    """The failure of a Job whose containers cannot be started."""
    return Failure(
        sentence=f"The Kubernetes Job {name} cannot start its container ({why}): mend image, claim or user "
        "in LAUNCHER_OPTIONS, then retry."
    )


def _states(pods: list[dict[str, Any]]) -> list[dict[str, Any]]:  # Any: JSON
    """The states of all containers."""
    return [
        container.get("state", {})
        for pod in pods
        for container in pod.get("status", {}).get("containerStatuses") or []
    ]
