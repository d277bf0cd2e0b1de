"""The Helm chart: rendered by Helm's own library, under the API's schemas, and the site started from it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import kubernetes_validate
import pytest
import yaml

from accord.env import REPOSITORY
from deploy.local.broker import free_port
from deploy.production.commands import COMMANDS, WORKER, WORKER_OPTIONS

pytestmark = pytest.mark.ops

CHART = REPOSITORY / "deploy" / "helm" / "accord"
PYTHON = REPOSITORY / ".venv" / "ops" / "bin" / "python"
VERSIONS = ("1.31", "1.37")
HOST = "accord.test"
SECONDS = 60.0

Manifest = dict[str, Any]  # Any: YAML

LEAST: Manifest = {
    "host": HOST,
    "secret": {"name": "accord"},
    "data": {"claim": "accord"},
    "ingress": {"tlsSecret": "accord-tls"},
}
MOST: Manifest = LEAST | {
    "images": {"tag": "7", "pullSecrets": ["registry"]},
    "settings": {"LOG_FORMAT": "line", "LAUNCHER": "kubernetes"},
    "web": {"autoscaling": {"enabled": True}, "nodeSelector": {"pool": "site"}},
    "tasks": {"tolerations": [{"key": "spot", "operator": "Exists"}]},
    "workers": {"gpu": {"enabled": True, "serviceAccountName": "launcher"}},
    "models": {"image": "gpu", "gpus": 2},
    "networkPolicy": {"egress": [{"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}]},
}
OUTSIDE: Manifest = LEAST | {
    "web": {"replicas": 1, "trust": []},
    "models": {"enabled": False},
    "ingress": {"enabled": False},
    "networkPolicy": {"enabled": False},
}
CASES = pytest.mark.parametrize("values", [LEAST, MOST, OUTSIDE], ids=["least", "most", "outside"])


def helm(values: Manifest) -> "subprocess.CompletedProcess[str]":
    """Helm's library on the chart, in the checkers' environment."""
    command = [PYTHON, Path(__file__).with_name("helm_rendering.py"), CHART]
    return subprocess.run(command, input=json.dumps(values), capture_output=True, text=True)


def rendered(values: Manifest) -> list[Manifest]:
    """The manifests that the chart makes of the values."""
    done = helm(values)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    # An icon is recommended to charts that are published.
    assert [each for each in told["found"] if "icon" not in each["error"]] == []
    return [
        manifest
        for name, text in told["rendered"].items()
        if name.endswith(".yaml")
        for manifest in yaml.safe_load_all(text)
        if manifest
    ]


def pods(manifests: list[Manifest]) -> Iterator[tuple[str, Manifest]]:
    """The name and the template of everything that starts pods."""
    for manifest in manifests:
        if manifest["kind"] in ("Deployment", "Job"):
            yield manifest["metadata"]["name"], manifest["spec"]["template"]


def containers(template: Manifest) -> list[Manifest]:
    """All of a pod's."""
    spec = template["spec"]
    return [*spec.get("initContainers", []), *spec["containers"]]


@CASES
def test_every_manifest_is_one_that_the_api_takes(values: Manifest) -> None:
    manifests = rendered(values)
    names = [(each["kind"], each["metadata"]["name"]) for each in manifests]
    assert len(set(names)) == len(names) >= 8
    for manifest in manifests:
        assert manifest["kind"] != "Secret"
        for version in VERSIONS:
            kubernetes_validate.validate(manifest, version, strict=True)


@CASES
def test_every_command_of_the_chart_is_one_that_tests_start(values: Manifest) -> None:
    started = set()
    for _, template in pods(rendered(values)):
        for container in containers(template):
            command = [part.replace("python3", "python") for part in container["command"]]
            started |= {known for known in COMMANDS if tuple(command[: len(known)]) == known}
            assert any(tuple(command[: len(known)]) == known for known in COMMANDS), command
            if tuple(command[: len(WORKER)]) == WORKER:
                assert set(WORKER_OPTIONS) <= set(command), command
    assert len(started) == len(COMMANDS) - (not values.get("models", {}).get("enabled", True))


@CASES
def test_pods_have_no_rights_and_secrets_come_from_the_one_that_is_there(values: Manifest) -> None:
    for name, template in pods(rendered(values)):
        spec = template["spec"]
        assert spec["securityContext"]["runAsNonRoot"] and not spec["enableServiceLinks"]
        assert spec["automountServiceAccountToken"] == ("serviceAccountName" in spec), name
        volumes = {each["name"] for each in spec["volumes"]}
        for container in containers(template):
            told = container["securityContext"]
            assert told["readOnlyRootFilesystem"] and not told["allowPrivilegeEscalation"]
            assert told["capabilities"] == {"drop": ["ALL"]}
            assert {each["name"] for each in container["volumeMounts"]} <= volumes
            secret = {each["name"] for each in container["env"] if "valueFrom" in each}
            assert secret == {"SECRET_KEY", "DATABASE_URL", "REDIS_URL", "EMAIL_URL"}
            assert len({each["name"] for each in container["env"]}) == len(container["env"])


@CASES
def test_what_points_at_pods_finds_them(values: Manifest) -> None:
    manifests = rendered(values)
    labels = {name: template["metadata"]["labels"] for name, template in pods(manifests)}

    def chosen(selector: dict[str, str]) -> set[str]:
        return {name for name, own in labels.items() if selector.items() <= own.items()}

    for manifest in manifests:
        spec, name = manifest["spec"], manifest["metadata"]["name"]
        match manifest["kind"]:
            case "Deployment" | "PodDisruptionBudget":
                assert chosen(spec["selector"]["matchLabels"]) == {name}
            case "Service":
                assert chosen(spec["selector"]) == {"site-web"}
            case "HorizontalPodAutoscaler":
                assert spec["scaleTargetRef"]["name"] == "site-web"
                assert spec["minReplicas"] <= spec["maxReplicas"]
            case "NetworkPolicy":
                found = chosen(spec["podSelector"]["matchLabels"])
                assert found == ({"site-web"} if spec["ingress"] else set(labels))
            case "Ingress":
                (path,) = spec["rules"][0]["http"]["paths"]
                assert path["backend"]["service"] == {"name": "site-web", "port": {"name": "http"}}
            case kind:
                assert kind == "Job"
    kinds = {each["kind"] for each in manifests}
    assert ("HorizontalPodAutoscaler" in kinds) == (values is MOST)
    assert ("NetworkPolicy" in kinds) == ("Ingress" in kinds) == (values is not OUTSIDE)


def test_clock_and_model_servers_are_never_there_twice_and_servers_have_who_asks_them() -> None:
    manifests = rendered(MOST)
    once = {each["metadata"]["name"]: each["spec"] for each in manifests if each["kind"] == "Deployment"}
    for name in ("site-clock", "site-models"):
        assert (once[name]["replicas"], once[name]["strategy"]) == (1, {"type": "Recreate"})
    assert "replicas" not in once["site-web"], "the autoscaler's number would be undone by each upgrade"
    assert "site-tasks" not in once
    assert [each["name"] for each in once["site-models"]["template"]["spec"]["containers"]] == [
        "models",
        "tasks",
    ]
    limits = once["site-models"]["template"]["spec"]["containers"][0]["resources"]["limits"]
    assert limits == {"nvidia.com/gpu": 2}
    (job,) = (each for each in manifests if each["kind"] == "Job")
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    assert "site-tasks" in {each["metadata"]["name"] for each in rendered(OUTSIDE)}


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"host": ""}, "Give host: the name by which people reach the site"),
        ({"secret": {"name": ""}}, "Give secret.name: a Secret with the keys"),
        ({"data": {"claim": ""}}, "Give data.claim: a PersistentVolumeClaim"),
        ({"ingress": {"tlsSecret": ""}}, "Give ingress.tlsSecret"),
        ({"settings": {"SECRET_KEY": "abc"}}, "invalid propertyName 'SECRET_KEY'"),
        ({"secret": {"name": "accord", "value": "abc"}}, "additional properties 'value' not allowed"),
        ({"networkPolicy": {"from": []}}, "/networkPolicy/from"),
        ({"workers": {"cpu": {"queues": ["everything"]}}}, "/workers/cpu/queues"),
    ],
)
def test_what_is_missing_or_would_be_a_secret_in_the_values_is_refused(
    changed: Manifest, sentence: str
) -> None:
    done = helm(LEAST | changed)
    assert (done.returncode, sentence in done.stderr) == (1, True), done.stderr


@pytest.mark.django_db(transaction=True)
def test_the_site_starts_as_its_pod_would_start_it(
    process_environment: dict[str, str], broker: str, tmp_path: Path
) -> None:
    pod = next(template["spec"] for name, template in pods(rendered(LEAST)) if name == "site-web")
    (container,) = pod["containers"]
    port = free_port()
    own = {
        **process_environment,
        **{each["name"]: each["value"] for each in container["env"] if "value" in each},
        "ACCORD_VAR": str(tmp_path),
    }
    place = {"python3": sys.executable, "0.0.0.0:8000": f"127.0.0.1:{port}"}
    command = [place.get(part, part) for part in container["command"]]
    # Probes come to the pod's address, under no name and without TLS.
    with subprocess.Popen(command, cwd=REPOSITORY, env=own, start_new_session=True) as web:
        try:
            for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                path = container[probe]["httpGet"]["path"]
                assert probed(f"http://127.0.0.1:{port}{path}") == 200
            page = f"http://127.0.0.1:{port}/login/"
            assert httpx.get(page).status_code == 400, "people ask for the site by its name"
            plain = httpx.get(page, headers={"Host": HOST})
            assert (plain.status_code, plain.headers["Location"]) == (301, f"https://{HOST}/login/")
            people = {"Host": HOST, "X-Forwarded-Proto": "https"}
            assert httpx.get(page, headers=people).status_code == 200
        finally:
            os.killpg(web.pid, signal.SIGTERM)
            web.wait(SECONDS)


def probed(url: str) -> int:
    """The status, once something listens there."""
    give_up = time.monotonic() + SECONDS
    while True:
        try:
            return httpx.get(url, timeout=SECONDS).status_code
        except httpx.ConnectError:
            assert time.monotonic() < give_up
            time.sleep(0.1)
