"""The few questions that are asked of a Kubernetes API: HTTPS with the token of a service account."""

import ssl
from pathlib import Path
from typing import Any

import httpx
from pydantic import BaseModel, ConfigDict, Field

from alignment.launching.interface import LaunchError
from pretrain.failures import Failure

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where a pod finds what its service account is given."""
SECONDS = 20.0


class ClusterAccess(BaseModel):
    """The section [cluster] of LAUNCHER_OPTIONS; in a pod nothing of it need be said."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    server: str = Field(default="https://kubernetes.default.svc", pattern=r"^https://[^/]+$")
    namespace: str = ""
    """Empty: the one of the worker's own service account."""
    token_file: Path = ACCOUNT / "token"
    """Read anew for each question: clusters change it by the hour."""
    ca_file: Path = ACCOUNT / "ca.crt"


class ClusterAway(Exception):
    """The API gave no answer, or said that it cannot answer now."""


class KubernetesClient:
    """One namespace of one cluster."""

    def __init__(self, access: ClusterAccess) -> None:
        self._access = access
        try:
            self._trusted = ssl.create_default_context(cafile=str(access.ca_file))
            self._namespace = access.namespace or (ACCOUNT / "namespace").read_text().strip()
        except OSError as error:
            raise LaunchError(
                Failure(
                    sentence=f"Kubernetes cannot be asked, for a file is not there ({error}): give server, "
                    "namespace, token_file and ca_file in [cluster] of LAUNCHER_OPTIONS, then retry."
                )
            ) from error

    def job_create(self, manifest: dict[str, Any]) -> str:  # Any: JSON
        """Make the Job, or find the one of this name; its uid. Raises LaunchError, ClusterAway."""
        answer = self._ask("POST", self._jobs(), json=manifest)
        if answer.status_code == httpx.codes.CONFLICT:
            answer = self._ask("GET", self._jobs(manifest["metadata"]["name"]))
        return str(_told(answer)["metadata"]["uid"])

    def service_create(self, manifest: dict[str, Any]) -> None:  # Any: JSON
        """Make the Service; one of this name will do. Raises LaunchError, ClusterAway."""
        answer = self._ask("POST", f"/api/v1/namespaces/{self._namespace}/services", json=manifest)
        if answer.status_code != httpx.codes.CONFLICT:
            _told(answer)

    def job(self, name: str) -> dict[str, Any] | None:  # Any: JSON
        """The Job, or None where there is none. Raises LaunchError, ClusterAway."""
        answer = self._ask("GET", self._jobs(name))
        return None if answer.status_code == httpx.codes.NOT_FOUND else _told(answer)

    def pods(self, name: str) -> list[dict[str, Any]]:  # Any: JSON
        """The pods of a Job, oldest first. Raises LaunchError, ClusterAway."""
        answer = self._ask(
            "GET",
            f"/api/v1/namespaces/{self._namespace}/pods",
            params={"labelSelector": f"accord.job={name}"},
        )
        pods: list[dict[str, Any]] = _told(answer)["items"]  # Any: JSON
        return sorted(pods, key=lambda pod: str(pod["metadata"].get("creationTimestamp", "")))

    def job_delete(self, name: str) -> None:
        """Delete the Job, its pods and its Service. Raises LaunchError, ClusterAway."""
        answer = self._ask("DELETE", self._jobs(name), json={"propagationPolicy": "Background"})
        if answer.status_code != httpx.codes.NOT_FOUND:
            _told(answer)

    def _jobs(self, name: str = "") -> str:
        return f"/apis/batch/v1/namespaces/{self._namespace}/jobs" + (f"/{name}" if name else "")

    def _ask(self, method: str, path: str, **about: Any) -> httpx.Response:  # Any: httpx's
        try:
            token = self._access.token_file.read_text().strip()
        except OSError as error:
            raise ClusterAway(f"the token cannot be read: {error}") from error
        # A connection each time: questions are seconds apart, and there is nothing to be closed at the end.
        try:
            with httpx.Client(verify=self._trusted, timeout=SECONDS) as client:
                answer = client.request(
                    method,
                    f"{self._access.server}{path}",
                    headers={"Authorization": f"Bearer {token}"},
                    **about,
                )
        except httpx.HTTPError as error:
            raise ClusterAway(str(error) or type(error).__name__) from error
        if answer.status_code == httpx.codes.TOO_MANY_REQUESTS or answer.is_server_error:
            raise ClusterAway(_message(answer))
        return answer


def _told(answer: httpx.Response) -> dict[str, Any]:  # Any: JSON
    if answer.is_success:
        told: dict[str, Any] = answer.json()
        return told
    refused = answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN)
    advice = (
        "let the service account create, get and delete jobs and services, and list pods"
        if refused
        else "mend LAUNCHER_OPTIONS"
    )
    raise LaunchError(Failure(sentence=f"Kubernetes refused it ({_message(answer)}): {advice}, then retry."))


def _message(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["message"])
    except (ValueError, KeyError, TypeError):
        return f"status {answer.status_code}"
