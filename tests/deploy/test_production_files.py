"""What runs on servers: files agree with the product, hold no secret, and start what tests start."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.images.gpu_requirements import gpu_requirements
from deploy.images.prune import prune
from deploy.images.web_requirements import web_requirements
from deploy.production.commands import COMMANDS, WORKER, WORKER_OPTIONS
from deploy.proxy.__main__ import VARIABLE, site_conf

REPOSITORY = Path(__file__).parents[2]
DEPLOY = REPOSITORY / "deploy"
IMAGES = sorted((DEPLOY / "images").glob("*.Dockerfile"))
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))


def compose() -> dict[str, Any]:  # Any: YAML
    """The Compose file, with its anchors put in."""
    told: dict[str, Any] = yaml.safe_load((DEPLOY / "compose" / "compose.yaml").read_text())
    return told


def started() -> list[list[str]]:
    """Every command that a file starts, without the folder of its Python."""
    found: list[list[str]] = []
    for image in IMAGES:
        found += [
            yaml.safe_load(line[4:]) for line in image.read_text().splitlines() if line.startswith("CMD [")
        ]
    for unit in UNITS:
        found += [
            shlex.split(line) for line in re.findall(r"^ExecStart=(.*)$", unit.read_text(), re.MULTILINE)
        ]
    for name, service in compose()["services"].items():
        if "accord-" not in service["image"] or "command" not in service:
            continue
        command = service["command"]
        if command[:2] == ["sh", "-c"]:
            found += [shlex.split(part) for part in command[2].split("&&")]
        else:
            found.append(command)
        assert name
    return [[Path(each[0]).name.replace("python3", "python"), *each[1:]] for each in found]


def test_every_command_that_is_started_anywhere_is_one_that_tests_start() -> None:
    commands = started()
    assert len(commands) >= 14
    for command in commands:
        assert any(tuple(command[: len(known)]) == known for known in COMMANDS), command
        if tuple(command[: len(WORKER)]) == WORKER:
            assert set(WORKER_OPTIONS) <= set(command), command


def test_the_web_image_installs_what_the_site_imports_and_nothing_of_torch() -> None:
    told = (DEPLOY / "images" / "requirements-web.txt").read_text()
    assert told == web_requirements()
    assert not re.search(r"^(torch|vllm|transformers|pytest)", told, re.MULTILINE)


def test_the_gpu_image_installs_what_accord_imports_and_leaves_vllms_packages_alone() -> None:
    told = (DEPLOY / "images" / "gpu-requirements.txt").read_text()
    assert told == gpu_requirements()
    for name in ("django-allauth", "celery", "peft", "s3fs", "datatrove"):
        assert re.search(f"^{name}==", told, re.MULTILINE), name
    assert not re.search(r"^(torch|vllm|transformers|numpy|tokenizers|pytest)", told, re.MULTILINE)


def test_pruning_takes_tests_and_headers_and_leaves_the_rest(tmp_path: Path) -> None:
    for name in (
        "django/tests/a.py",
        "django/test/b.py",
        "pyarrow/include/c.h",
        "pyarrow/lib.so",
        "pip/d.py",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    assert prune(tmp_path) == 3
    assert {path.name for path in tmp_path.rglob("*.*") if path.is_file()} == {"b.py", "lib.so"}


def test_only_the_proxy_is_open_to_the_world_and_secrets_are_files() -> None:
    told = compose()
    open_to_all = {
        name: service["ports"]
        for name, service in told["services"].items()
        if any(not port.startswith("127.0.0.1:") for port in service.get("ports", []))
    }
    assert set(open_to_all) == {"proxy"}
    for service in told["services"].values():
        for name, value in service.get("environment", {}).items():
            if re.search("PASSWORD|SECRET|TOKEN|KEY", name):
                assert str(value).startswith("/run/secrets/"), name
        if "accord-" in service["image"]:
            assert service["read_only"] and service["cap_drop"] == ["ALL"]
            if "network_mode" in service:
                assert service["network_mode"] in ("service:deployments", "service:deployments-gpu")
                assert "networks" not in service
            else:
                assert service["networks"] == ["inside"]
    assert all(secret.keys() == {"file"} for secret in told["secrets"].values())


def test_short_tasks_reach_the_loopback_of_the_model_servers() -> None:
    services = compose()["services"]
    for suffix in ("", "-gpu"):
        tasks, models = services[f"tasks{suffix}"], services[f"deployments{suffix}"]
        assert tasks["network_mode"] == f"service:deployments{suffix}"
        assert tasks["profiles"] == models["profiles"]


def test_compose_gives_the_proxy_every_variable_of_its_template() -> None:
    template = (DEPLOY / "proxy" / "site.conf.template").read_text()
    given = compose()["services"]["proxy"]["environment"]
    assert set(VARIABLE.findall(template)) == {name for name in given if name.startswith("ACCORD_")}
    with pytest.raises(ValueError, match="ACCORD_UPSTREAM cannot be None"):
        site_conf({})


def test_services_run_as_nobody_in_particular_and_write_in_one_folder() -> None:
    for unit in UNITS:
        text = unit.read_text()
        assert "User=accord\n" in text
        assert "ProtectSystem=strict\n" in text
        assert "ReadWritePaths=/var/lib/accord\n" in text
        assert not re.search("PASSWORD|SECRET_KEY", text)
    wanted = re.search(r"Wants=(.*)", (DEPLOY / "systemd" / "accord.target").read_text())
    assert wanted is not None
    files = {re.sub(r"@\w+\.", "@.", name) for name in wanted[1].split()}
    assert files == {unit.name for unit in UNITS}
