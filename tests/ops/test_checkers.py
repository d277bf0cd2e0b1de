"""Files that nothing here can run, under the checkers of those who do: systemd, Prometheus, linters."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from deploy.monitoring.board import PANELS

pytestmark = pytest.mark.ops

DEPLOY = Path(__file__).parents[2] / "deploy"


def test_systemd_understands_the_services(tmp_path: Path) -> None:
    for unit in (DEPLOY / "systemd").iterdir():
        text = re.sub(r"/opt/accord/\.venv/bin/\w+", "/bin/true", unit.read_text())
        text = text.replace("User=accord", "User=root").replace(
            "WorkingDirectory=/opt/accord", "WorkingDirectory=/"
        )
        (tmp_path / unit.name.replace("@.", "@training.")).write_text(text)
    names = sorted(str(path) for path in tmp_path.glob("*.service"))
    told = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *names], capture_output=True, text=True
    ).stderr
    assert [line for line in told.splitlines() if "accord" in line] == []


def test_prometheus_understands_configuration_alerts_and_the_board_s_queries(tmp_path: Path) -> None:
    for name in ("alerts.yml", "prometheus.yml"):
        text = (DEPLOY / "monitoring" / name).read_text()
        (tmp_path / name).write_text(text.replace("/etc/prometheus/accord-token", str(tmp_path / "token")))
    (tmp_path / "token").write_text("secret")
    rules = [
        {"record": f"board:panel_{number}", "expr": query}
        for number, query in enumerate(query for panel in PANELS for query in panel.queries.values())
    ]
    (tmp_path / "board.yml").write_text(json.dumps({"groups": [{"name": "board", "rules": rules}]}))
    for command in (["config", "prometheus.yml"], ["rules", "alerts.yml"], ["rules", "board.yml"]):
        done = subprocess.run(["promtool", "check", *command], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def tool(name: str) -> str:
    """A linter of deploy/ops/requirements.txt."""
    found = shutil.which(name, path=str(DEPLOY.parent / ".venv" / "ops" / "bin"))
    assert found is not None, f"{name} is not installed: run deploy/ops/install.sh"
    return found


def test_linters_find_nothing_in_images_and_compose() -> None:
    for command in (
        [tool("hadolint"), *map(str, sorted((DEPLOY / "images").glob("*.Dockerfile")))],
        [
            tool("check-jsonschema"),
            "--builtin-schema",
            "vendor.compose-spec",
            str(DEPLOY / "compose" / "compose.yaml"),
        ],
    ):
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_documentation_builds_without_a_warning_and_asks_nobody(tmp_path: Path) -> None:
    command = [
        tool("mkdocs"),
        "build",
        "--strict",
        "-f",
        str(DEPLOY / "docs" / "mkdocs.yml"),
        "-d",
        str(tmp_path),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    pages = sorted(tmp_path.rglob("*.html"))
    assert len(pages) > 40
    fetched = re.compile(
        r'<(?:script|img|iframe)[^>]+src="(?:https?:)?//|<link[^>]+rel="stylesheet"[^>]+href="(?:https?:)?//'
    )
    assert [page for page in pages if fetched.search(page.read_text())] == []
