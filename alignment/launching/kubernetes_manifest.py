"""The manifest of a program's Job, and of the Service by which the pods of several machines meet. Pure.

A pod runs the program in the run folder of a volume that the worker sees too, writes its log there, and is
neither root nor able to become it. What ends a pod from outside (a drained machine, preemption) does not
count as a failure: another pod goes on from the checkpoint. A program that says what is wrong (status 2) ends
the Job at once.
"""

import shlex
from typing import Annotated, Any

from pydantic import Field

from alignment.launching.commands import node_command
from alignment.launching.interface import Work
from alignment.launching.options import Options, Word
from alignment.launching.slurm_script import TIDY
from pretrain.run import EXIT_USER_ERROR

PORT = 29500
HOME = "/tmp"
KEPT_SECONDS = 24 * 3600
"""How long the cluster keeps a Job that has ended, for a worker that comes late."""
KEPT_VARIABLES = ("OMP_NUM_THREADS", "HF_HUB_OFFLINE", "TOKENIZERS_PARALLELISM", "PYTHONUNBUFFERED")
"""Of the program's environment: all else is the image's own."""
Label = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$")]


class KubernetesOptions(Options):
    """What a Job is told."""

    image: Word
    """Holds Accord and its packages."""
    claim: Label
    """A PersistentVolumeClaim that all pods and workers see (ReadWriteMany)."""
    mount: str = ""
    """Where the claim lies in the pods: the same path as on the workers. Empty: at ACCORD_VAR."""
    directory: str = "/accord"
    """Accord's folder in the image."""
    python: str = "/accord/.venv/bin/python"
    """The image's Python with Accord's packages."""
    user: int = Field(default=1000, ge=1)
    """The id of user and group, whose the run folders are."""
    node_selector: dict[str, str] = Field(default_factory=dict)
    """Labels that a machine must have."""
    service_account: str = ""
    """Empty: the namespace's default. A pod is given no token of it."""


def job_manifest(work: Work, options: KubernetesOptions, *, name: str, mount: str) -> dict[str, Any]:
    """The Job `name`; Any: its JSON. `mount` is where the claim lies if the options do not say it."""
    several = options.nodes > 1
    pod: dict[str, Any] = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": options.save_seconds,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": options.user,
            "runAsGroup": options.user,
            "fsGroup": options.user,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(work, options, name=name, mount=options.mount or mount)],
        "volumes": [
            {"name": "runs", "persistentVolumeClaim": {"claimName": options.claim}},
            {"name": "scratch", "emptyDir": {}},
            {"name": "memory", "emptyDir": {"medium": "Memory"}},
        ],
    }
    if options.node_selector:
        pod["nodeSelector"] = options.node_selector
    if options.service_account:
        pod["serviceAccountName"] = options.service_account
    if several:
        pod["subdomain"] = name
    spec: dict[str, Any] = {
        "backoffLimit": 0,
        "ttlSecondsAfterFinished": KEPT_SECONDS,
        "podFailurePolicy": {
            "rules": [
                {
                    "action": "FailJob",
                    "onExitCodes": {
                        "containerName": "program",
                        "operator": "In",
                        "values": [EXIT_USER_ERROR],
                    },
                },
                {
                    "action": "Ignore",
                    "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}],
                },
            ]
        },
        "template": {"metadata": {"labels": _labels(work, name)}, "spec": pod},
    }
    if options.minutes is not None:
        spec["activeDeadlineSeconds"] = 60 * options.minutes
    if several:
        spec |= {
            "completionMode": "Indexed",
            "completions": options.nodes,
            "parallelism": options.nodes,
        }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "labels": _labels(work, name)},
        "spec": spec,
    }


def service_manifest(work: Work, *, name: str, uid: str) -> dict[str, Any]:
    """The headless Service of the Job `name`, which goes when the Job (`uid`) goes; Any: its JSON."""
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": name, "uid": uid}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "labels": _labels(work, name), "ownerReferences": [owner]},
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": {"accord.job": name},
            "ports": [{"name": "meeting", "port": PORT}],
        },
    }


def _container(work: Work, options: KubernetesOptions, *, name: str, mount: str) -> dict[str, Any]:
    command = node_command(
        work,
        nodes=options.nodes,
        endpoint=f"{name}-0.{name}:{PORT}",
        meeting=name,
        python=options.python,
    )
    limits: dict[str, str] = {}
    if options.cpus is not None:
        limits["cpu"] = str(options.cpus)
    if options.memory_gib is not None:
        limits["memory"] = f"{options.memory_gib}Gi"
    if options.gpus:
        limits["nvidia.com/gpu"] = str(options.gpus)
    kept = {key: work.environment[key] for key in KEPT_VARIABLES if key in work.environment}
    return {
        "name": "program",
        "image": options.image,
        "workingDir": options.directory,
        "command": ["/bin/sh", "-c", _script(work, options)],
        "args": ["program", *command],
        "env": [{"name": key, "value": value} for key, value in {**kept, "HOME": HOME}.items()],
        "resources": {"limits": limits, "requests": limits},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "runs", "mountPath": mount},
            {"name": "scratch", "mountPath": HOME},
            {"name": "memory", "mountPath": "/dev/shm"},
        ],
    }


def _script(work: Work, options: KubernetesOptions) -> str:
    """A shell's words: what an earlier pod left half written is cleared away, by the first machine alone."""
    folder = shlex.quote(str(work.folder.path))
    tidy = shlex.join([options.python, "-c", TIDY, str(work.folder.path)])
    return (
        f"exec >>{folder}/log.txt 2>&1; "
        f"if [ -e {folder}/result.json ]; then exit 0; fi; "
        f'if [ "${{JOB_COMPLETION_INDEX:-0}}" = 0 ]; then {tidy}; fi; '
        'exec "$@"'
    )


def _labels(work: Work, name: str) -> dict[str, str]:
    kind = {"accord.kind": work.kind} if work.kind else {}
    return {"app.kubernetes.io/name": "accord", "accord.job": name, **kind}
