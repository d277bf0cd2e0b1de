"""Bandit over all that is shipped: what it finds is explained here, or mended."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.ops.test_checkers import tool

pytestmark = pytest.mark.ops

REPOSITORY = Path(__file__).parents[2]
SHIPPED = ("platform", "annotation", "alignment", "pretrain", "deploy", "manage.py")

BY_KIND = {
    "B101": "Asserts tell types to the checker; nothing that comes from outside is checked by one.",
    "B105": "Words of the pages and names of settings.",
    "B311": "Sampling and shuffling with seeds; secrets come from `secrets`.",
    "B404": "Programs are started as lists, without a shell.",
    "B405": "Pictures and formulas are written as XML; none is read.",
    "B406": "Pictures and formulas are written as XML; none is read.",
    "B603": "Programs are started as lists, without a shell.",
    "B607": "Slurm's and git's commands are found by PATH, as their users expect.",
}
"""Findings of low severity."""

COLUMNS = "Put together from constants: columns of our models; values are parameters."
BY_PLACE = {
    ("B108", "alignment/launching/kubernetes_manifest.py"): "A volume of the pod's own is mounted there.",
    ("B615", "alignment/sampling/speed_trial.py"): "A folder on disk; the Hub is switched off in programs.",
    ("B615", "alignment/training/soup.py"): "A folder on disk; the Hub is switched off in programs.",
    ("B308", "platform/web/markdown.py"): "Escaped, or cleaned by the sanitizer: tests/web feeds it attacks.",
    ("B703", "platform/web/markdown.py"): "Escaped, or cleaned by the sanitizer: tests/web feeds it attacks.",
    ("B608", "annotation/exported.py"): COLUMNS,
    ("B608", "annotation/migrations/0002_words.py"): COLUMNS,
    ("B608", "annotation/migrations/0007_quality_control.py"): COLUMNS,
    ("B608", "annotation/permissions.py"): COLUMNS,
    ("B608", "annotation/services/checking.py"): COLUMNS,
    ("B608", "annotation/services/edit_checks.py"): COLUMNS,
    ("B608", "annotation/services/statements.py"): COLUMNS,
    ("B608", "annotation/services/waiting.py"): COLUMNS,
    ("B608", "platform/accounts/audit/sealing.py"): COLUMNS,
    ("B608", "platform/accounts/audit/verifying.py"): COLUMNS,
    ("B608", "platform/accounts/services.py"): COLUMNS,
    ("B608", "platform/registry/selectors.py"): COLUMNS,
}
"""Findings of medium severity; of high severity there is none."""


def test_every_finding_is_explained_and_every_explanation_has_its_finding() -> None:
    command = [tool("bandit"), "--quiet", "--recursive", "--format", "json", *SHIPPED]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    report = json.loads(done.stdout)
    assert report["errors"] == []
    assert report["metrics"]["_totals"]["loc"] > 10_000
    found, open_ones = set(), []
    for one in report["results"]:
        path = Path(one["filename"]).as_posix().removeprefix("./")
        by_place = (one["test_id"], path)
        if one["issue_severity"] == "LOW" and one["test_id"] in BY_KIND:
            found.add(one["test_id"])
        elif one["issue_severity"] == "MEDIUM" and by_place in BY_PLACE:
            found.add(by_place)
        else:
            open_ones.append(f"{path}:{one['line_number']}: {one['test_id']} {one['issue_text']}")
    assert open_ones == []
    assert found == {*BY_KIND, *BY_PLACE}
