"""Known vulnerabilities of pinned packages, by advisories in a folder."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from packaging.version import Version

from deploy.ops import dependency_audit
from deploy.ops.dependency_audit import REQUIREMENTS, audit, explained, is_affected, pinned


def advisory(folder: Path, name: str, package: str, **affected: Any) -> None:
    """Write one as OSV has it, YAML where the name asks for it."""
    about = {"package": {"ecosystem": "PyPI", "name": package}, **affected}
    values = {
        "id": Path(name).stem,
        "aliases": ["CVE-2026-1"],
        "published": "2026-03-04T00:00:00Z",
        "details": "Reads\nwhat it should not.",
        "affected": [about],
    }
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(json.dumps(values))  # which is YAML as well


def between(introduced: str, **end: str) -> dict[str, Any]:
    """One range."""
    return {"ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": introduced}, end]}]}


@pytest.mark.parametrize(
    ("version", "affected", "expected"),
    [
        ("1.0", between("0", fixed="1.1"), True),
        ("1.1", between("0", fixed="1.1"), False),
        ("1.1rc1", between("0", fixed="1.1"), True),
        ("1.0", between("1.0", last_affected="1.2"), True),
        ("1.2", between("1.0", last_affected="1.2"), True),
        ("1.2.1", between("1.0", last_affected="1.2"), False),
        ("0.9", between("1.0", last_affected="1.2"), False),
        ("1.10", {"versions": ["1.9", "1.10"]}, True),
        ("1.1", {"versions": ["1.10", "not a version"]}, False),
        ("2.5", {"ranges": [{"type": "GIT", "events": [{"introduced": "0"}]}]}, False),
        (
            "2.5",
            {
                "ranges": [
                    {
                        "type": "ECOSYSTEM",
                        "events": [
                            {"introduced": "2.4"},
                            {"fixed": "2.6"},
                            {"introduced": "1.0"},
                            {"fixed": "1.8"},
                        ],
                    }
                ]
            },
            True,
        ),
    ],
)
def test_versions_are_compared_as_osv_says(version: str, affected: dict[str, Any], expected: bool) -> None:
    assert is_affected(Version(version), affected) is expected


def test_a_pinned_version_that_an_advisory_names_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    advisories, pins = tmp_path / "advisories", tmp_path / "requirements.txt"
    pins.write_text("# Ours.\nSome_Package==1.0  # old\nother==2.0\n")
    advisory(advisories, "PYSEC-1.yaml", "some-package", **between("0", fixed="1.1"))
    advisory(advisories, "PYSEC-2.json", "other", **between("0", fixed="1.1"))
    advisory(advisories, "PYSEC-3.json", "not-ours", **between("0", fixed="9"))
    command = ["dependency_audit", "--advisories", str(advisories), "--requirements", str(pins)]
    monkeypatch.setattr(sys, "argv", command)
    assert dependency_audit.main() == 1
    told = capsys.readouterr().out
    assert "some-package 1.0: PYSEC-1, CVE-2026-1; fixed in 1.1. Reads what it should not.\n" in told
    assert "2 packages against 3 advisories, the newest of 2026-03-04: 1 findings, 1 of them not" in told
    monkeypatch.setattr(dependency_audit, "explained", lambda: {"PYSEC-1": "Accord never reads."})
    assert dependency_audit.main() == 0
    assert "explained: Accord never reads." in capsys.readouterr().out


def test_what_cannot_be_audited_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="has no advisory: give a folder"):
        audit({}, tmp_path / "empty")
    (tmp_path / "loose.txt").write_text("django>=5\n")
    command = ["x", "--advisories", str(tmp_path / "empty"), "--requirements", str(tmp_path / "loose.txt")]
    monkeypatch.setattr(sys, "argv", command)
    assert dependency_audit.main() == 2
    assert "loose.txt does not pin django: write django==VERSION." in capsys.readouterr().err


def test_our_own_lists_pin_everything() -> None:
    assert len(pinned(REQUIREMENTS)) > 200
    assert all(reason for reason in explained().values())
