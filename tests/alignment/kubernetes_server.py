"""A small server that plays a Kubernetes API and its job controller: there is no cluster here.

It holds what it is given, and what it answers, against the API's own JSON schemas (kubernetes-validate),
asks for the token, and runs the containers' commands as processes of this machine, whose statuses become the
pods'.
"""

import json
import os
import re
import signal
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import kubernetes_validate
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from accord.env import REPOSITORY

TOKEN = "a-token"
VERSION = "1.31"
JOBS = re.compile(r"/apis/batch/v1/namespaces/accord/jobs(?:/([a-z0-9-]+))?")


class Cluster:
    """What the server holds."""

    def __init__(self) -> None:
        self.jobs: dict[str, dict[str, Any]] = {}  # Any: JSON
        self.services: dict[str, dict[str, Any]] = {}
        self.processes: dict[str, list[subprocess.Popen[bytes]]] = {}
        self.failures: dict[str, dict[str, Any]] = {}
        """By job: the status that its container is to have, whatever its process does."""
        self.next_container: dict[str, Any] | None = None
        """The container status of the next job, which starts no process."""
        self.is_away = False
        self.service_answer: int | None = None
        """The status that asking for a Service gets."""

    def create(self, job: dict[str, Any]) -> None:
        """Take a job and start its pods."""
        name = job["metadata"]["name"]
        job["metadata"] |= {"uid": f"uid-{len(self.jobs)}", "creationTimestamp": now()}
        self.jobs[name] = job
        if self.next_container is not None:
            self.failures[name], self.next_container = self.next_container, None
            self.processes[name] = []
            return
        container = job["spec"]["template"]["spec"]["containers"][0]
        environment = {each["name"]: each["value"] for each in container["env"]}
        self.processes[name] = [
            subprocess.Popen(
                [*container["command"], *container["args"]],
                cwd=REPOSITORY,
                env={**os.environ, **environment, "JOB_COMPLETION_INDEX": str(index)},
                start_new_session=True,
            )
            for index in range(job["spec"].get("completions", 1))
        ]

    def delete(self, name: str) -> None:
        """Have the pods end, within their grace."""
        job = self.jobs.pop(name)
        self.services.pop(name, None)
        self.failures.pop(name, None)
        self.end(name, job["spec"]["template"]["spec"]["terminationGracePeriodSeconds"])

    def end(self, name: str, grace: float) -> None:
        """SIGTERM, and SIGKILL after the grace."""
        processes = self.processes[name]
        for process in processes:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
        deadline = time.monotonic() + grace
        for process in processes:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def shown(self, name: str) -> dict[str, Any]:
        """The job with its status, as the controller would write it."""
        job = self.jobs[name]
        statuses = [process.poll() for process in self.processes[name]]
        forced = self.failures.get(name)
        status: dict[str, Any] = {"ready": 0, "active": 0}
        if forced is not None:
            over = "terminated" in forced
            status |= _failed("BackoffLimitExceeded") if over else {"active": 1}
        elif all(each == 0 for each in statuses):
            status |= {"conditions": [_condition("Complete", "CompletionsReached")], "succeeded": 1}
        elif any(each == 2 for each in statuses):
            status |= _failed("PodFailurePolicy")
        elif any(each for each in statuses):
            status |= _failed("BackoffLimitExceeded")
        else:
            status |= {"active": len(statuses), "ready": statuses.count(None)}
        return {**job, "status": status}

    def pods(self, name: str) -> list[dict[str, Any]]:
        """The pods of a job: those of a deleted one for as long as they run."""
        states: list[dict[str, Any]] = []
        if name in self.failures:
            states = [self.failures[name]]
        for process in self.processes.get(name, []):
            code = process.poll()
            if code is None:
                states.append({"running": {"startedAt": now()}})
            elif name in self.jobs:
                code = 128 - code if code < 0 else code
                states.append({"terminated": {"exitCode": code, "reason": "Error" if code else "Completed"}})
        return [
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": f"{name}-{index}", "creationTimestamp": now()},
                "status": {
                    "containerStatuses": [
                        {
                            **{"name": "program", "image": "accord", "imageID": "", "ready": False},
                            **{"restartCount": 0, "state": state},
                        }
                    ]
                },
            }
            for index, state in enumerate(states)
        ]


def handler(cluster: Cluster) -> type[BaseHTTPRequestHandler]:
    """The handler of requests to this cluster."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if self._is_refused():
                return
            job = JOBS.fullmatch(self.path)
            if job is not None and job[1] in cluster.jobs:
                self._answer(200, cluster.shown(job[1]))
            elif job is not None:
                self._answer(404, message(f'jobs.batch "{job[1]}" not found'))
            else:
                name = self.path.partition("labelSelector=accord.job%3D")[2]
                assert name, self.path
                self._answer(200, {"apiVersion": "v1", "kind": "PodList", "items": cluster.pods(name)})

        def do_POST(self) -> None:
            told = self._body()
            if self._is_refused():
                return
            try:
                kubernetes_validate.validate(told, VERSION, strict=True)
            except kubernetes_validate.ValidationError as error:
                self._answer(422, message(f"{told['kind']} is invalid: {error.message}"))
                return
            if told["kind"] == "Service" and cluster.service_answer is not None:
                self._answer(cluster.service_answer, message("no service now"))
                return
            held = cluster.services if told["kind"] == "Service" else cluster.jobs
            if told["metadata"]["name"] in held:
                self._answer(409, message(f'"{told["metadata"]["name"]}" already exists'))
                return
            if told["kind"] == "Service":
                cluster.services[told["metadata"]["name"]] = told
            else:
                cluster.create(told)
            self._answer(201, told)

        def do_DELETE(self) -> None:
            self._body()
            if self._is_refused():
                return
            job = JOBS.fullmatch(self.path)
            assert job is not None
            if job[1] not in cluster.jobs:
                self._answer(404, message("not found"))
                return
            threading.Thread(target=cluster.delete, args=(job[1],)).start()
            self._answer(200, {"kind": "Status", "apiVersion": "v1", "status": "Success"})

        def log_message(self, *about: object) -> None:
            """Say nothing."""

        def _is_refused(self) -> bool:
            if cluster.is_away:
                self._answer(503, message("the server is currently unable to handle the request"))
            elif self.headers["Authorization"] != f"Bearer {TOKEN}":
                self._answer(401, message("Unauthorized"))
            else:
                return False
            return True

        def _body(self) -> dict[str, Any]:
            told: dict[str, Any] = json.loads(self.rfile.read(int(self.headers["Content-Length"] or 0)))
            return told

        def _answer(self, status: int, told: dict[str, Any]) -> None:
            if told["kind"] not in ("PodList", "Status"):
                kubernetes_validate.validate(told, VERSION, strict=True)
            for pod in told.get("items", []):
                kubernetes_validate.validate(pod, VERSION, strict=True)
            body = json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler


def message(text: str) -> dict[str, Any]:
    """What the API says when it refuses."""
    return {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": text}


def now() -> str:
    """The time, as the API writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _failed(reason: str) -> dict[str, Any]:
    return {"conditions": [_condition("Failed", reason)], "failed": 1}


def _condition(name: str, reason: str) -> dict[str, Any]:
    return {"type": name, "status": "True", "reason": reason, "lastTransitionTime": now()}


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 and its key, as files."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "kubernetes")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "ca.crt").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return folder / "ca.crt", folder / "key.pem"


@contextmanager
def kubernetes_server(folder: Path) -> Iterator[tuple[Cluster, str]]:
    """The cluster, and the options by which it is reached: sections [all] and [cluster]."""
    folder.mkdir()
    cluster = Cluster()
    ca_file, key_file = certificate(folder)
    (folder / "token").write_text(TOKEN)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(cluster))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(ca_file, key_file)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    text = (
        f'[all]\nimage = "accord:1"\nclaim = "runs"\npython = "{sys.executable}"\n'
        f'directory = "{REPOSITORY}"\nsave_seconds = 10\n'
        f'[cluster]\nserver = "https://127.0.0.1:{server.server_port}"\nnamespace = "accord"\n'
        f'token_file = "{folder}/token"\nca_file = "{ca_file}"\n'
    )
    try:
        yield cluster, text
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        for name in list(cluster.processes):
            cluster.end(name, 0.0)
